// DID documents, judged by software that is not ours: the golden ones and those of a running node.
//
// - @iota/identity-wasm (a Rust implementation of DID Core) parses a document and finds keys by their relationship.
// - jsonld expands it in safe mode, so that a term that no W3C context defines is an error; contexts come from npm
//   packages, nothing is fetched.
// - multiformats takes a Multikey apart; @digitalbazaar/ed25519-multikey verifies a signature with one.
//
// M2M_URL is the node's address (default ws://127.0.0.1:9944), M2M_BIN the client (default: where cargo puts it).

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import { promisify } from 'node:util';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import multikeyContext from '@digitalbazaar/multikey-context';
import identity from '@iota/identity-wasm/node/index.js';
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { stringToU8a, u8aToHex } from '@polkadot/util';
import { encodeAddress, randomAsU8a } from '@polkadot/util-crypto';
import didContext from 'did-context';
import jsonld from 'jsonld';
import { varint } from 'multiformats';
import { base58btc } from 'multiformats/bases/base58';
import * as formats from './formats.mjs';

const URL_OF_NODE = process.env.M2M_URL ?? 'ws://127.0.0.1:9944';
const TARGET = process.env.CARGO_TARGET_DIR ?? join(homedir(), '.cache/m2m/target');
const CLIENT = process.env.M2M_BIN ?? join(TARGET, 'release/m2m');
const PATIENCE = { timeout: 120_000 };
const HOUR_MS = 3_600_000;

const { CoreDID, CoreDocument, MethodScope } = identity;
const SCOPES = {
  authentication: MethodScope.Authentication,
  assertionMethod: MethodScope.AssertionMethod,
  capabilityInvocation: MethodScope.CapabilityInvocation,
  capabilityDelegation: MethodScope.CapabilityDelegation,
};
// Names and lengths of public keys by their code in the multicodec table.
const CODECS = { 0xef: ['sr25519', 32], 0xed: ['ed25519', 32], 0xe7: ['secp256k1', 33] };

const contexts = new Map([...didContext.contexts, ...multikeyContext.contexts]);
const documentLoader = async (url) => {
  const document = contexts.get(url);
  if (!document) throw new Error(`${url} is not a published context that the test has`);
  return { documentUrl: url, document };
};

const decodeMultikey = (text) => {
  const bytes = base58btc.decode(text);
  const [code, length] = varint.decode(bytes);
  const raw = bytes.subarray(length);
  const [scheme, expected] = CODECS[code] ?? [];
  if (raw.length !== expected) throw new Error(`${text} is no public key: codec ${code}, ${raw.length} bytes`);
  return { scheme, raw };
};

// Every property of an expanded document, at any depth.
const properties = (node) =>
  node && typeof node === 'object'
    ? Object.entries(node).flatMap(([name, value]) => [...(Array.isArray(node) ? [] : [name]), ...properties(value)])
    : [];
const DEFINED = /^(@id|@type|@value|https:\/\/www\.w3\.org\/ns\/did#.*|https:\/\/w3id\.org\/security#.*)$/;

// Fails unless the document is one for every library.
const validate = async (document) => {
  const parsed = CoreDocument.fromJSON(document);
  assert.deepEqual(parsed.toJSON(), document);
  const expanded = await jsonld.expand(document, { documentLoader, safe: true });
  // The issuer's vocabulary is for kinds of services and nothing else.
  for (const property of properties(expanded)) assert.match(property, DEFINED);
  for (const key of expanded[0]['https://w3id.org/security#verificationMethod'] ?? []) {
    assert.deepEqual(key['@type'], ['https://w3id.org/security#Multikey']);
  }
  for (const [relationship, scope] of Object.entries(SCOPES)) {
    for (const id of document[relationship] ?? []) {
      assert.equal(parsed.resolveMethod(id, scope())?.id().toString(), id, `${relationship} ${id}`);
    }
  }
  for (const { publicKeyMultibase } of document.verificationMethod ?? []) decodeMultikey(publicKeyMultibase);
};

const BREAKS = {
  'no id': (document) => delete document.id,
  'an id that is an address': (document) => (document.id = document.id.split(':').at(-1)),
  'a controller that is an address': (document) => (document.controller = document.controller.split(':').at(-1)),
  'a key without a controller': ({ verificationMethod: [key] }) => delete key.controller,
  'a key whose id has no fragment': ({ id, verificationMethod: [key] }) => (key.id = id),
  'the same key twice': ({ verificationMethod: keys }) => keys.push(keys[0]),
  'a key without a public part': ({ verificationMethod: [key] }) => delete key.publicKeyMultibase,
  'a public key that lacks a byte': ({ verificationMethod: [key] }) =>
    (key.publicKeyMultibase = base58btc.encode(base58btc.decode(key.publicKeyMultibase).subarray(0, -1))),
  'a public key of an unknown kind': ({ verificationMethod: [key] }) =>
    (key.publicKeyMultibase = base58btc.encode(base58btc.decode(key.publicKeyMultibase).subarray(2))),
  'a relationship to a key that is not there': (document) => (document.assertionMethod = [`${document.id}#none`]),
  'a service without an endpoint': ({ service: [service] }) => delete service.serviceEndpoint,
  'an endpoint that is no URI': ({ service: [service] }) => (service.serviceEndpoint = 'nowhere'),
  'a service with the id of a key': ({ service: [service], verificationMethod: [key] }) => (service.id = key.id),
  'no context for Multikey': (document) => document['@context'].splice(1, 1),
  'no namespace for kinds of services': (document) => document['@context'].pop(),
  'a property that no context defines': (document) => (document.owner = document.controller),
};

const rejectsWhatIsBroken = async (document) => {
  for (const [what, change] of Object.entries(BREAKS)) {
    const broken = structuredClone(document);
    change(broken);
    assert.notDeepEqual(broken, document, what);
    await assert.rejects(validate(broken), undefined, `accepted: ${what}`);
  }
};

const vectors = JSON.parse(readFileSync(new URL('../../primitives/did/vectors/documents.json', import.meta.url), 'utf8'));

test('every golden document is a DID document for other implementations', async () => {
  assert.equal(vectors.documents.length, 5);
  for (const { name, did, public_keys: keys, resolution } of vectors.documents) {
    const { didDocument: document, didDocumentMetadata: metadata } = resolution;
    await validate(document);
    assert.equal(CoreDID.parse(did).toString(), document.id, name);
    assert.equal(CoreDID.parse(document.controller).method(), 'pkh', name);
    const methods = document.verificationMethod ?? [];
    assert.deepEqual(methods.map((method) => u8aToHex(decodeMultikey(method.publicKeyMultibase).raw)), keys, name);
    assert.equal(metadata.deactivated, metadata.method.status === 'retired', name);
  }
});

test('a broken document is rejected', async () => {
  const whole = vectors.documents.find(({ resolution }) => resolution.didDocument.service).resolution.didDocument;
  await validate(whole);
  await rejectsWhatIsBroken(whole);
});

const keyring = new Keyring({ type: 'sr25519' });
const owner = keyring.addFromUri('//Dave');
const buyer = keyring.addFromUri('//Charlie');
const ed25519 = () => new Keyring({ type: 'ed25519' }).addFromSeed(randomAsU8a(32));
const first = ed25519();
const second = ed25519();
const manager = keyring.addFromSeed(randomAsU8a(32));
const deviceBytes = formats.deviceId('ed25519', first.publicKey);
const device = encodeAddress(deviceBytes, 42);
const ROLES = {
  meter: { bits: 0b001, roles: { authenticate: true, trade: false, manage: false } },
  manager: { bits: 0b100, roles: { authenticate: false, trade: false, manage: true } },
};
let api, did, provider;

// Sends a call and gives back the hash of the finalized block that it is in.
const send = (call, signer) =>
  new Promise((resolve, reject) => {
    call
      .signAndSend(signer, { era: 64 }, ({ status, dispatchError, isError }) => {
        if (isError) return reject(new Error(`not accepted: ${status.type}`));
        if (!status.isFinalized) return undefined;
        if (!dispatchError) return resolve(status.asFinalized.toHex());
        if (!dispatchError.isModule) return reject(new Error(dispatchError.toString()));
        const { section, name } = api.registry.findMetaError(dispatchError.asModule);
        return reject(new Error(`${section}.${name}`));
      })
      .catch(reject);
  });

const prove = (action, key, { bits }, proofOwner) => {
  const expires = Date.now() + HOUR_MS;
  const payload = formats.possessionPayload({
    genesis: api.genesisHash.toU8a(),
    action,
    owner: proofOwner.publicKey,
    device: action === 'register' ? undefined : deviceBytes,
    roles: bits,
    scheme: key.type,
    publicKey: key.publicKey,
    expires,
  });
  const scheme = key.type === 'ed25519' ? 'Ed25519' : 'Sr25519';
  return [{ [scheme]: key.publicKey }, { expires, signature: { [scheme]: key.sign(payload) } }];
};

const resolve = (text, ...at) => provider.send('did_resolve', [text, ...at]);
// Keys of a relationship, as raw bytes.
const keysOf = (document, relationship) =>
  (document[relationship] ?? []).map((id) => u8aToHex(decodeMultikey(id.split('#')[1]).raw));

describe('on a running node', () => {
  before(async () => {
    provider = new WsProvider(URL_OF_NODE, 1_000, {}, 10_000);
    api = await ApiPromise.create({ provider, throwOnConnect: true, noInitWarn: true }).catch(async (error) => {
      await provider.disconnect();
      throw error;
    });
    did = `did:m2m:${api.genesisHash.toHex().slice(2, 10)}:${device}`;
  });
  after(() => api?.disconnect());

  let registered;

  test('a registered device resolves to a document that other implementations accept', PATIENCE, async () => {
    const { batchAll } = api.tx.utility;
    const { registerDevice, addKey, setService } = api.tx.deviceIdentity;
    const [firstPublic, firstProof] = prove('register', first, ROLES.meter, owner);
    const [managerPublic, managerProof] = prove('add', manager, ROLES.manager, owner);
    const services = [
      { id: 'td', kind: 'WotThing', endpoint: 'https://example.com/things/7' },
      { id: 'broker', kind: 'MqttBroker', endpoint: 'mqtts://broker.example.com:8883/site/7' },
    ];
    registered = await send(
      batchAll([
        registerDevice(firstPublic, ROLES.meter.roles, firstProof, null, null),
        addKey(device, managerPublic, ROLES.manager.roles, managerProof),
        ...services.map((service) => setService(device, service)),
      ]),
      owner
    );

    const { didDocument: document, didDocumentMetadata: metadata, didResolutionMetadata } = await resolve(did);
    assert.deepEqual(didResolutionMetadata, { contentType: 'application/did+ld+json' });
    await validate(document);
    assert.equal(document.id, did);
    const chain = api.genesisHash.toHex().slice(2, 34);
    assert.equal(document.controller, `did:pkh:polkadot:${chain}:${encodeAddress(owner.publicKey, 42)}`);
    assert.deepEqual(keysOf(document, 'authentication'), [u8aToHex(first.publicKey)]);
    assert.deepEqual(keysOf(document, 'assertionMethod'), [u8aToHex(first.publicKey)]);
    assert.deepEqual(keysOf(document, 'capabilityInvocation'), [u8aToHex(manager.publicKey)]);
    assert.deepEqual(keysOf(document, 'capabilityDelegation'), [u8aToHex(manager.publicKey)]);
    assert.deepEqual(
      document.service,
      services.map(({ id, kind, endpoint }) => ({ id: `${did}#${id}`, type: kind, serviceEndpoint: endpoint }))
    );
    assert.equal(metadata.deactivated, false);
    assert.equal(metadata.method.status, 'active');
    await rejectsWhatIsBroken(document);
  });

  test('a signature of the device is verified with the key in its document', async () => {
    const { didDocument: document } = await resolve(did);
    const method = document.verificationMethod.find(({ id }) => id === document.authentication[0]);
    const verifier = (await Ed25519Multikey.from(method)).verifier();
    const data = stringToU8a('a challenge');
    const signature = first.sign(data);
    assert.equal(await verifier.verify({ data, signature }), true);
    assert.equal(await verifier.verify({ data: stringToU8a('another'), signature }), false);
  });

  test('the client makes the same document from the runtime API', async () => {
    const run = async (...words) => {
      const { stdout } = await promisify(execFile)(CLIENT, ['--json', '--url', URL_OF_NODE, 'did', 'resolve', ...words]);
      return JSON.parse(stdout);
    };
    const expected = await resolve(did);
    assert.ok(expected.didDocument);
    assert.deepEqual(await run(did), expected);
    assert.deepEqual(await run(device), expected);
    await assert.rejects(run(`${did}#key`), ({ code, stderr }) => code === 2 && JSON.parse(stderr).error === 'Usage');
    const elsewhere = `did:m2m:00000000:${device}`;
    await assert.rejects(run(elsewhere), ({ code, stderr }) => code === 3 && JSON.parse(stderr).error === 'WrongChain');
  });

  test('a rotated key is revoked, and the document before it is still there by its block', PATIENCE, async () => {
    const earlier = await resolve(did);
    const [publicKey, proof] = prove('rotate', second, ROLES.meter, owner);
    const old = encodeAddress(first.publicKey, 42);
    await send(api.tx.deviceIdentity.rotateKey(device, old, publicKey, proof, HOUR_MS), owner);
    const { didDocument: document, didDocumentMetadata: metadata } = await resolve(did);
    await validate(document);
    assert.deepEqual(keysOf(document, 'authentication'), [u8aToHex(second.publicKey)]);
    const rotated = document.verificationMethod.find(({ id }) => id === earlier.didDocument.authentication[0]);
    assert.ok(Math.abs(Date.now() - Date.parse(rotated.revoked)) < HOUR_MS, rotated.revoked);
    assert.notEqual(metadata.versionId, earlier.didDocumentMetadata.versionId);
    assert.deepEqual(await resolve(did, registered), earlier);
  });

  test('after a transfer no key speaks for the device until the new owner confirms it', PATIENCE, async () => {
    const { offerTransfer, acceptTransfer, confirmKey } = api.tx.deviceIdentity;
    const { generation } = (await resolve(did)).didDocumentMetadata.method;
    await send(offerTransfer(device, buyer.address, 0, Date.now() + HOUR_MS), owner);
    await send(acceptTransfer(device, generation, 0), buyer);
    const sold = await resolve(did);
    await validate(sold.didDocument);
    assert.ok(sold.didDocument.controller.endsWith(`:${encodeAddress(buyer.publicKey, 42)}`));
    assert.ok(sold.didDocument.verificationMethod.length > 0);
    for (const relationship of Object.keys(SCOPES)) assert.ok(!(relationship in sold.didDocument), relationship);
    assert.equal(sold.didDocumentMetadata.method.generation, generation + 1);

    const [, proof] = prove('confirm', second, ROLES.meter, buyer);
    await send(confirmKey(device, encodeAddress(second.publicKey, 42), proof), buyer);
    const { didDocument: document } = await resolve(did);
    await validate(document);
    assert.deepEqual(keysOf(document, 'authentication'), [u8aToHex(second.publicKey)]);
    assert.deepEqual(keysOf(document, 'capabilityInvocation'), []);
  });

  test('a suspended device keeps its document without relationships; a retired one is deactivated', PATIENCE, async () => {
    await send(api.tx.deviceIdentity.suspend(device), buyer);
    const suspended = await resolve(did);
    await validate(suspended.didDocument);
    assert.equal(suspended.didDocumentMetadata.method.status, 'suspended');
    assert.equal(suspended.didDocumentMetadata.deactivated, false);
    assert.ok(suspended.didDocument.verificationMethod.length > 0);
    for (const relationship of Object.keys(SCOPES)) assert.ok(!(relationship in suspended.didDocument), relationship);

    await send(api.tx.deviceIdentity.retire(device), buyer);
    const retired = await resolve(did);
    await validate(retired.didDocument);
    assert.deepEqual(Object.keys(retired.didDocument), ['@context', 'id', 'controller']);
    assert.equal(retired.didDocumentMetadata.deactivated, true);
  });

  test('what does not resolve is named in the result', async () => {
    const address = encodeAddress(randomAsU8a(32), 42);
    const network = did.split(':')[2];
    const failures = [
      [[`did:m2m:${network}:${address}`], 'notFound'],
      [[`did:m2m:00000000:${device}`], 'notFound'],
      [[did, u8aToHex(randomAsU8a(32))], 'notFound'],
      [[did, api.genesisHash.toHex()], 'notFound'],
      [[`${did}#td`], 'invalidDid'],
      [[device], 'invalidDid'],
      [['did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK'], 'methodNotSupported'],
    ];
    for (const [parameters, error] of failures) {
      const { didDocument, didDocumentMetadata, didResolutionMetadata } = await resolve(...parameters);
      assert.equal(didDocument, null);
      assert.deepEqual(didDocumentMetadata, {});
      assert.equal(didResolutionMetadata.error, error, parameters.join(' '));
      assert.ok(didResolutionMetadata.message.length > 0);
    }
    for (const { did: text, resolution } of vectors.failures) {
      if (resolution.didResolutionMetadata.error !== 'notFound') assert.deepEqual(await resolve(text), resolution);
    }
  });
});
