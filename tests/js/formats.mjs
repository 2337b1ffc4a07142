// Everything that a device hashes or signs, written from docs/devices.md and docs/telemetry-formats.md and
// nothing else. It shares no code with the chain: that is its worth.

import { stringToU8a, u8aConcat } from '@polkadot/util';
import { blake2AsU8a } from '@polkadot/util-crypto';

const HASH_BITS = 256;
const H = (tag, ...parts) => blake2AsU8a(u8aConcat([tag], ...parts), HASH_BITS);

// Little-endian, two's complement.
const le = (bytes) => (number) => {
  let rest = BigInt.asUintN(bytes * 8, BigInt(number));
  return Uint8Array.from({ length: bytes }, () => {
    const byte = Number(rest & 0xffn);
    rest >>= 8n;
    return byte;
  });
};
const le32 = le(4);
const le64 = le(8);
const le128 = le(16);

const smallest = (a, b) => (a < b ? a : b);
const largest = (a, b) => (a > b ? a : b);

export const SCHEMES = { sr25519: 0, ed25519: 1, ecdsa: 2 };
export const ACTIONS = { register: 0, add: 1, rotate: 2, confirm: 3 };

export const deviceId = (scheme, publicKey) =>
  blake2AsU8a(u8aConcat(stringToU8a('m2m/device/v1'), [SCHEMES[scheme]], publicKey), HASH_BITS);

export const possessionPayload = ({ genesis, action, owner, device, roles, scheme, publicKey, expires }) =>
  u8aConcat(
    stringToU8a('m2m/possession/v1'),
    genesis,
    [ACTIONS[action]],
    owner,
    device ?? new Uint8Array(32),
    [roles],
    [SCHEMES[scheme]],
    publicKey,
    le64(expires)
  );

export const batchSecret = (deviceSecret, stream, seq) => H(0x07, deviceSecret, le32(stream), le64(seq));
export const salt = (secret, index) => H(0x06, secret, le32(index)).subarray(0, 16);
export const leafHash = (index, leafSalt, [time, value]) => H(0x00, le32(index), leafSalt, le64(time), le64(value));

const single = ([time, value]) => ({
  count: 1n,
  min: BigInt(value),
  max: BigInt(value),
  sum: BigInt(value),
  tFirst: BigInt(time),
  tLast: BigInt(time),
  maxGap: 0n,
});
const combine = (left, right) => ({
  count: left.count + right.count,
  min: smallest(left.min, right.min),
  max: largest(left.max, right.max),
  sum: left.sum + right.sum,
  tFirst: left.tFirst,
  tLast: right.tLast,
  maxGap: largest(largest(left.maxGap, right.maxGap), right.tFirst - left.tLast),
});
export const aggregateBytes = (aggregate) =>
  u8aConcat(
    le64(aggregate.count),
    le64(aggregate.min),
    le64(aggregate.max),
    le128(aggregate.sum),
    le64(aggregate.tFirst),
    le64(aggregate.tLast),
    le64(aggregate.maxGap)
  );

// The left subtree of n leaves holds the largest power of two smaller than n.
const split = (count) => 2 ** Math.floor(Math.log2(count - 1));

export const dataNode = (left, right) => H(0x09, left, right);

const grow = (leaves) => {
  if (leaves.length === 1) return leaves[0];
  const half = split(leaves.length);
  const left = grow(leaves.slice(0, half));
  const right = grow(leaves.slice(half));
  return {
    data: dataNode(left.data, right.data),
    hash: H(0x01, left.hash, right.hash, aggregateBytes(left.aggregate), aggregateBytes(right.aggregate)),
    aggregate: combine(left.aggregate, right.aggregate),
  };
};

// Both trees over readings [time, value].
export const commit = (secret, readings) => {
  const top = grow(
    readings.map((reading, index) => {
      const hash = leafHash(index, salt(secret, index), reading);
      return { data: hash, hash, aggregate: single(reading) };
    })
  );
  return {
    dataRoot: top.data,
    topHash: top.hash,
    aggregate: top.aggregate,
    aggregateRoot: H(0x05, top.hash, aggregateBytes(top.aggregate)),
  };
};

export const openAnchorBytes = ({ dataRoot, topHash, aggregate }) =>
  u8aConcat(dataRoot, topHash, aggregateBytes(aggregate));
export const privateAnchorBytes = ({ dataRoot, aggregateRoot, aggregate }) =>
  u8aConcat(dataRoot, aggregateRoot, le64(aggregate.count), le64(aggregate.tFirst), le64(aggregate.tLast));

export const envelopePayload = ({ genesis, device, key, expires, items }) =>
  u8aConcat(
    stringToU8a('m2m/anchors/v1'),
    genesis,
    device,
    key,
    le64(expires),
    [items.length],
    ...items.map(({ stream, seq, commitment, isPrivate }) =>
      u8aConcat(
        le32(stream),
        le64(seq),
        [isPrivate ? 1 : 0],
        isPrivate ? privateAnchorBytes(commitment) : openAnchorBytes(commitment)
      )
    )
  );

export const rangeLeaf = (device, stream, seq, anchorBytes) =>
  H(0x0c, device, le32(stream), le64(seq), anchorBytes);
