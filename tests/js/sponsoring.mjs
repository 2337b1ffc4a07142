// What the sponsorship test and the spam check have in common: a device with a stream, a sponsor, and anchors.

import { ApiPromise, Keyring } from '@polkadot/api';
import { encodeAddress, randomAsU8a } from '@polkadot/util-crypto';
import * as formats from './formats.mjs';

export const UNIT = 10n ** 12n;
export const MILLI_UNIT = UNIT / 1_000n;
export const BLOCK_MS = 3_000;
const HOUR_MS = 3_600_000;
const QUARTER_MS = 900_000;
const SS58_PREFIX = 42;

export const development = (name) => new Keyring({ type: 'sr25519' }).addFromUri(`//${name}`);

export const connect = (provider) => ApiPromise.create({ provider, throwOnConnect: true, noInitWarn: true });

// Sends a call and gives back its events once it is in a finalized block; a refusal is an error with its name.
export const send = (api, call, signer, options = {}) =>
  new Promise((resolve, reject) => {
    call
      .signAndSend(signer, { era: 64, ...options }, ({ status, dispatchError, events, isError }) => {
        if (isError) return reject(new Error(`not accepted: ${status.type}`));
        if (!status.isFinalized) return undefined;
        if (!dispatchError) return resolve(events.map(({ event }) => event));
        if (!dispatchError.isModule) return reject(new Error(dispatchError.toString()));
        const { section, name } = api.registry.findMetaError(dispatchError.asModule);
        return reject(new Error(`${section}.${name}`));
      })
      .catch(reject);
  });

// A new device with one stream. Its key has nothing, never had, and never gets anything.
export const register = async (api, owner) => {
  const seed = randomAsU8a(32);
  const key = new Keyring({ type: 'ed25519' }).addFromSeed(seed);
  const device = encodeAddress(formats.deviceId('ed25519', key.publicKey), SS58_PREFIX);
  const roles = { authenticate: true, trade: true, manage: true };
  const expires = Date.now() + HOUR_MS;
  const payload = formats.possessionPayload({
    genesis: api.genesisHash.toU8a(),
    action: 'register',
    owner: owner.publicKey,
    roles: 0b111,
    scheme: 'ed25519',
    publicKey: key.publicKey,
    expires,
  });
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
    retention: 64,
  };
  const proof = { expires, signature: { Ed25519: key.sign(payload) } };
  const both = api.tx.utility.batchAll([
    api.tx.deviceIdentity.registerDevice({ Ed25519: key.publicKey }, roles, proof, null, null),
    api.tx.telemetry.createStream(device, spec),
  ]);
  await send(api, both, owner);
  return { device, key, seed };
};

// A sponsorship for one device, offered by the sponsor and taken by the owner.
export const sponsorship = async (api, sponsor, owner, device, { calls, capacity, refill, expires, amount }) => {
  const offer = api.tx.feeSponsorship.offer({ Device: device }, calls, capacity, refill, expires ?? null, amount);
  const events = await send(api, offer, sponsor);
  const offered = events.find((event) => api.events.feeSponsorship.SponsorshipOffered.is(event));
  const { sponsorship: number, pot } = offered.data;
  await send(api, api.tx.feeSponsorship.attach(number), owner);
  return { number: number.toNumber(), pot: pot.toString() };
};

// An anchor of one reading, the one before the last `back` quarters of an hour.
export const anchor = (api, { seed }, seq, back) => {
  const last = Math.floor(Date.now() / QUARTER_MS) * QUARTER_MS;
  const { dataRoot, topHash, aggregate } = formats.commit(formats.batchSecret(seed, 0, seq), [
    [last - (back + 1) * QUARTER_MS, 250],
  ]);
  return api.tx.telemetry.anchor(0, seq, { dataRoot, summary: { Open: { topHash, aggregate } } });
};

export const free = async (api, account) => (await api.query.system.account(account)).data.free.toBigInt();
export const nonce = async (api, account) => (await api.query.system.account(account)).nonce.toNumber();
