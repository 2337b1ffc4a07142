// The golden vectors, reproduced by an implementation in another language.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { hexToU8a, u8aToHex } from '@polkadot/util';
import { blake2AsU8a, ed25519Verify, secp256k1Verify, sr25519Verify } from '@polkadot/util-crypto';
import * as formats from './formats.mjs';

// By scheme: payload, signature, public key.
const verify = {
  sr25519: sr25519Verify,
  ed25519: ed25519Verify,
  ecdsa: (payload, signature, publicKey) =>
    secp256k1Verify(payload, signature, blake2AsU8a(publicKey, 256), 'blake2'),
};

const vectors = (path) => JSON.parse(readFileSync(new URL(`../../primitives/${path}`, import.meta.url), 'utf8'));

test('batch secrets follow from the device secret', () => {
  const { batch_secrets: cases } = vectors('merkle/vectors/commitments.json');
  assert.ok(cases.length > 0);
  for (const { device_secret, stream, seq, batch_secret } of cases) {
    assert.equal(u8aToHex(formats.batchSecret(hexToU8a(device_secret), stream, seq)), batch_secret);
  }
});

test('roots, aggregates, salts and leaves of every batch agree', () => {
  const { batches } = vectors('merkle/vectors/commitments.json');
  assert.ok(batches.length > 0);
  for (const batch of batches) {
    const secret = hexToU8a(batch.secret);
    const made = formats.commit(secret, batch.readings);
    assert.equal(u8aToHex(made.dataRoot), batch.data_root);
    assert.equal(u8aToHex(made.topHash), batch.aggregate_top_hash);
    assert.equal(u8aToHex(made.aggregateRoot), batch.aggregate_root);
    assert.equal(u8aToHex(formats.aggregateBytes(made.aggregate)), batch.aggregate_bytes);
    for (const { index, salt, leaf_hash } of batch.proofs) {
      const own = formats.salt(secret, index);
      assert.equal(u8aToHex(own), salt);
      assert.equal(u8aToHex(formats.leafHash(index, own, batch.readings[index])), leaf_hash);
    }
  }
});

test('device ids and proofs of possession agree, and their signatures hold', () => {
  const { genesis, owner, device, expires, keys } = vectors('device/vectors/possession.json');
  assert.equal(keys.length, 3);
  for (const { scheme, scheme_byte, public: publicHex, account, device_id, proofs } of keys) {
    const publicKey = hexToU8a(publicHex);
    assert.equal(formats.SCHEMES[scheme], scheme_byte);
    assert.equal(u8aToHex(formats.deviceId(scheme, publicKey)), device_id);
    assert.equal(scheme === 'ecdsa' ? u8aToHex(blake2AsU8a(publicKey, 256)) : publicHex, account);
    for (const { action, roles, payload, signature } of proofs) {
      const own = formats.possessionPayload({
        genesis: hexToU8a(genesis),
        action,
        owner: hexToU8a(owner),
        device: action === 'register' ? undefined : hexToU8a(device),
        roles,
        scheme,
        publicKey,
        expires,
      });
      assert.equal(u8aToHex(own), payload);
      assert.ok(verify[scheme](own, hexToU8a(signature), publicKey), `${scheme} ${action}`);
    }
  }
});

test('anchors, mountain-range leaves and envelopes agree, and the signatures hold', () => {
  const { genesis, device, device_secret, anchors, keys } = vectors('anchor/vectors/anchors.json');
  const made = anchors.map((expected) => {
    const secret = formats.batchSecret(hexToU8a(device_secret), expected.stream, expected.seq);
    assert.equal(u8aToHex(secret), expected.batch_secret, expected.name);
    const commitment = formats.commit(secret, expected.readings);
    const bytes = expected.private
      ? formats.privateAnchorBytes(commitment)
      : formats.openAnchorBytes(commitment);
    assert.equal(u8aToHex(bytes), expected.anchor, expected.name);
    const leaf = formats.rangeLeaf(hexToU8a(device), expected.stream, expected.seq, bytes);
    assert.equal(u8aToHex(leaf), expected.range_leaf, expected.name);
    return { stream: expected.stream, seq: expected.seq, commitment, isPrivate: expected.private };
  });
  assert.ok(made.some(({ isPrivate }) => isPrivate) && made.some(({ isPrivate }) => !isPrivate));
  assert.equal(keys.length, 3);
  for (const { scheme, public: publicKey, account, envelopes } of keys) {
    for (const { name, anchors: places, expires, payload, signature } of envelopes) {
      const own = formats.envelopePayload({
        genesis: hexToU8a(genesis),
        device: hexToU8a(device),
        key: hexToU8a(account),
        expires,
        items: places.map((place) => made[place]),
      });
      assert.equal(u8aToHex(own), payload, name);
      assert.ok(verify[scheme](own, hexToU8a(signature), hexToU8a(publicKey)), `${scheme}: ${name}`);
      own[0] ^= 1;
      assert.ok(!verify[scheme](own, hexToU8a(signature), hexToU8a(publicKey)), `${scheme}: ${name}, changed`);
    }
  }
});
