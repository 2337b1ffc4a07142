// A stock client against a running development node: no custom types, nothing but what the metadata says.
// M2M_URL is the node's address (default ws://127.0.0.1:9944).

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { u8aToHex } from '@polkadot/util';
import { encodeAddress, randomAsU8a } from '@polkadot/util-crypto';
import * as formats from './formats.mjs';

const URL = process.env.M2M_URL ?? 'ws://127.0.0.1:9944';
const UNIT = 10n ** 12n;
const HOUR_MS = 3_600_000;
const QUARTER_MS = 900_000;
// Waiting for finality takes a few blocks of three seconds.
const PATIENCE = { timeout: 120_000 };

const keyring = new Keyring({ type: 'sr25519' });
const owner = keyring.addFromUri('//Ferdie');
const seed = randomAsU8a(32);
const key = new Keyring({ type: 'ed25519' }).addFromSeed(seed);
const deviceBytes = formats.deviceId('ed25519', key.publicKey);
// As an address: an optional argument would take bytes for its encoding.
const device = encodeAddress(deviceBytes, 42);
let api;

// Sends a call and gives back its events once it is finalized; a refusal is an error with its name.
const send = (call, signer) =>
  new Promise((resolve, reject) => {
    call
      .signAndSend(signer, { era: 64 }, ({ status, dispatchError, events, isError }) => {
        if (isError) return reject(new Error(`not accepted: ${status.type}`));
        if (!status.isFinalized) return undefined;
        if (!dispatchError) return resolve(events.map(({ event }) => event));
        if (!dispatchError.isModule) return reject(new Error(dispatchError.toString()));
        const { section, name } = api.registry.findMetaError(dispatchError.asModule);
        return reject(new Error(`${section}.${name}`));
      })
      .catch(reject);
  });

before(async () => {
  api = await ApiPromise.create({ provider: new WsProvider(URL, 1_000, {}, 10_000), throwOnConnect: true, noInitWarn: true });
});
after(() => api?.disconnect());

test('the token, its decimals and the address format are announced', () => {
  assert.deepEqual(api.registry.chainTokens, ['M2M']);
  assert.deepEqual(api.registry.chainDecimals, [12]);
  assert.equal(api.registry.chainSS58, 42);
  assert.equal(api.consts.system.ss58Prefix.toNumber(), 42);
});

test('every extension and call is known without custom types', () => {
  assert.equal(api.runtimeVersion.specName.toString(), 'm2m');
  for (const section of ['deviceIdentity', 'telemetry', 'balances', 'utility', 'proxy', 'multisig', 'session']) {
    assert.ok(Object.keys(api.tx[section]).length > 0, section);
  }
});

test('calls, events and errors of our pallets are documented in the metadata', () => {
  const { lookup, pallets } = api.runtimeMetadata.asLatest;
  for (const name of ['DeviceIdentity', 'Telemetry']) {
    const pallet = pallets.find((candidate) => candidate.name.toString() === name);
    assert.ok(pallet, name);
    for (const part of ['calls', 'events', 'errors']) {
      const { variants } = lookup.getSiType(pallet[part].unwrap().type).def.asVariant;
      assert.ok(variants.length > 0, `${name} ${part}`);
      for (const variant of variants) {
        assert.ok(variant.docs.join('').trim() !== '', `${name}.${variant.name} says nothing about itself`);
      }
    }
    for (const item of pallet.storage.unwrap().items) {
      assert.ok(item.docs.join('').trim() !== '', `${name}.${item.name} says nothing about itself`);
    }
  }
});

test('a transfer with a mortal era is signed and finalized', PATIENCE, async () => {
  const recipient = keyring.addFromSeed(randomAsU8a(32)).address;
  await send(api.tx.balances.transferKeepAlive(recipient, UNIT), owner);
  const { data } = await api.query.system.account(recipient);
  assert.equal(data.free.toBigInt(), UNIT);
});

test('a device is registered with a proof made from the documented bytes', PATIENCE, async () => {
  const roles = { authenticate: true, trade: false, manage: false };
  const expires = Date.now() + HOUR_MS;
  const payload = formats.possessionPayload({
    genesis: api.genesisHash.toU8a(),
    action: 'register',
    owner: owner.publicKey,
    roles: 0b001,
    scheme: 'ed25519',
    publicKey: key.publicKey,
    expires,
  });
  const register = (signature) =>
    api.tx.deviceIdentity.registerDevice({ Ed25519: key.publicKey }, roles, { expires, signature: { Ed25519: signature } }, null, null);
  // The same proof for another owner, or a forged one, is refused by name.
  const forged = key.sign(payload.map((byte, index) => (index === 20 ? byte ^ 1 : byte)));
  await assert.rejects(send(register(forged), owner), /deviceIdentity\./);
  await send(register(key.sign(payload)), owner);

  const stored = await api.query.deviceIdentity.devices(device);
  assert.ok(stored.isSome);
  assert.equal(stored.unwrap().owner.toString(), encodeAddress(owner.publicKey, 42));
});

test('the device is read through the runtime API, and so are all of its owner', async () => {
  const details = await api.call.deviceApi.device(device);
  assert.ok(details.isSome);
  assert.equal(details.unwrap().status.type, 'Active');
  // The client adds the underscore to names that its own structs use.
  assert.equal(details.unwrap().deviceKeys.length, 1);
  const owned = await api.call.deviceApi.devicesOf(owner.address, null, 100);
  assert.ok(owned.some((id) => id.toString() === device));
  const unknown = await api.call.deviceApi.device(randomAsU8a(32));
  assert.ok(unknown.isNone);
});

test('an envelope made from the documented bytes is anchored and read back', PATIENCE, async () => {
  // Deposits for streams are held on the device's wallet.
  await send(api.tx.balances.transferKeepAlive(device, UNIT), owner);
  const spec = {
    kind: 'Interval',
    private: false,
    schema: new Uint8Array(32),
    unit: 'Wh',
    scale: 0,
    plausibleMin: 0,
    plausibleMax: 25_000,
    cadenceMs: QUARTER_MS,
    periodMs: null,
    notBefore: 0,
    retention: 8,
  };
  await send(api.tx.telemetry.createStream(device, spec), owner);
  const [stream] = await api.call.telemetryApi.streams(device);

  const last = Math.floor(Date.now() / QUARTER_MS) * QUARTER_MS - QUARTER_MS;
  const readings = [251, 120, 278].map((value, index) => [last - (2 - index) * QUARTER_MS, value]);
  const commitment = formats.commit(formats.batchSecret(seed, stream.toNumber(), 0), readings);
  const payload = formats.envelopePayload({
    genesis: api.genesisHash.toU8a(),
    device: deviceBytes,
    key: key.publicKey,
    expires: 0,
    items: [{ stream: stream.toNumber(), seq: 0, commitment }],
  });
  const { dataRoot, topHash, aggregate } = commitment;
  const envelope = {
    device,
    key: key.publicKey,
    expires: 0,
    items: [{ stream, seq: 0, anchor: { dataRoot, summary: { Open: { topHash, aggregate } } } }],
    signature: { Ed25519: key.sign(payload) },
  };
  // The gateway that delivers and pays is not the owner.
  await send(api.tx.telemetry.anchorMany([envelope]), keyring.addFromUri('//Eve'));

  const latest = (await api.call.telemetryApi.latest(device, stream)).unwrap();
  assert.equal(latest.seq.toNumber(), 0);
  assert.equal(latest.anchor.dataRoot.toHex(), u8aToHex(dataRoot));
  assert.equal(latest.anchor.summary.asOpen.aggregate.sum.toBigInt(), 649n);

  const leaf = formats.rangeLeaf(deviceBytes, stream.toNumber(), 0, formats.openAnchorBytes(commitment));
  const details = (await api.call.telemetryApi.stream(device, stream)).unwrap();
  assert.equal(details.rangeRoot.unwrap().toHex(), u8aToHex(leaf));
});

test('a recorded reading is verified by the chain, and one that differs by 1 Wh is not', async () => {
  const [stream] = await api.call.telemetryApi.streams(device);
  const latest = (await api.call.telemetryApi.latest(device, stream)).unwrap();
  const { tFirst } = latest.anchor.summary.asOpen.aggregate;
  const secret = formats.batchSecret(seed, stream.toNumber(), 0);
  const leaves = [251, 120, 278].map((value, index) =>
    formats.leafHash(index, formats.salt(secret, index), [tFirst.toNumber() + index * QUARTER_MS, value])
  );
  const anchorProof = { device, stream, seq: 0, anchor: latest.anchor, position: 0, leaves: 1, path: [] };
  // The third of three leaves is the right child of the top.
  const left = formats.dataNode(leaves[0], leaves[1]);
  const opened = (value) => ({
    index: 2,
    count: 3,
    salt: formats.salt(secret, 2),
    reading: { timeMs: tFirst.toNumber() + 2 * QUARTER_MS, value },
    path: [left],
  });
  const good = await api.call.telemetryApi.verifyReading(anchorProof, opened(278));
  assert.ok(good.isOk, good.toString());
  const bad = await api.call.telemetryApi.verifyReading(anchorProof, opened(279));
  assert.ok(bad.isErr);
  assert.equal(bad.asErr.type, 'ReadingNotInAnchor');
});
