// A stock client signs for a device whose key has no money, and does not know that somebody else pays.
// M2M_URL is the node's address (default ws://127.0.0.1:9944).

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { WsProvider } from '@polkadot/api';
import { MILLI_UNIT, UNIT, anchor, connect, development, free, register, send, sponsorship } from './sponsoring.mjs';

const URL = process.env.M2M_URL ?? 'ws://127.0.0.1:9944';
// Waiting for finality takes a few blocks of three seconds.
const PATIENCE = { timeout: 120_000 };

const owner = development('Dave//stash');
const sponsor = development('Charlie//stash');
let api;
let meter;
let granted;

before(async () => {
  api = await connect(new WsProvider(URL, 1_000, {}, 10_000));
  meter = await register(api, owner);
}, PATIENCE);
after(() => api?.disconnect());

test('the extension that pays is the one that every wallet knows', () => {
  const { signedExtensions } = api.registry;
  assert.ok(signedExtensions.includes('ChargeTransactionPayment'), signedExtensions.join());
  assert.ok(!signedExtensions.some((name) => /sponsor/i.test(name)), signedExtensions.join());
});

test('without a sponsor a key without money is turned away', PATIENCE, async () => {
  assert.equal(await free(api, meter.key.address), 0n);
  await assert.rejects(send(api, anchor(api, meter, 0, 3), meter.key), /Inability to pay some fees/);
});

test('with a sponsor it anchors, and the pot pays what the client was told at most', PATIENCE, async () => {
  granted = await sponsorship(api, sponsor, owner, meter.device, {
    calls: ['Telemetry'],
    capacity: 10n * MILLI_UNIT,
    refill: MILLI_UNIT,
    amount: UNIT,
  });
  const before = await free(api, granted.pot);
  const call = anchor(api, meter, 0, 3);
  const { partialFee } = await call.paymentInfo(meter.key);
  const events = await send(api, call, meter.key);
  const paid = before - (await free(api, granted.pot));
  assert.ok(paid > 0n && paid <= partialFee.toBigInt(), `${paid} of ${partialFee}`);
  const sponsored = events.find((event) => api.events.feeSponsorship.FeeSponsored.is(event));
  assert.equal(sponsored.data.fee.toBigInt(), paid);
  assert.equal(sponsored.data.device.toString(), meter.device);
  assert.equal(await free(api, meter.key.address), 0n);
  const latest = (await api.call.telemetryApi.latest(meter.device, 0)).unwrap();
  assert.equal(latest.key.toString(), api.createType('AccountId', meter.key.publicKey).toString());
});

test('what remains is read through the runtime API', PATIENCE, async () => {
  const remaining = await api.call.sponsorshipApi.remaining(meter.device);
  const [rest] = remaining.sponsored;
  assert.equal(rest.sponsorship.toNumber(), granted.number);
  assert.deepEqual(rest.calls.map(String), ['Telemetry']);
  assert.ok(rest.bucket.toBigInt() <= rest.capacity.toBigInt());
  assert.ok(rest.pot.toBigInt() < UNIT);
  assert.ok(remaining.budget.isNone);
  const details = (await api.call.sponsorshipApi.sponsorship(granted.number)).unwrap();
  assert.equal(details.buckets.toNumber(), 1);
  assert.ok(details.attached.isTrue);
  const numbers = await api.call.sponsorshipApi.sponsorshipsOf(sponsor.address, null, 100);
  assert.ok(numbers.some((number) => number.toNumber() === granted.number));
});

test('what the sponsor does not pay for is turned away and costs the pot nothing', PATIENCE, async () => {
  const before = await free(api, granted.pot);
  const inside = anchor(api, meter, 1, 2);
  for (const call of [api.tx.system.remark('0x01'), api.tx.utility.batch([inside]), api.tx.utility.batchAll([inside])]) {
    await assert.rejects(send(api, call, meter.key), /Inability to pay some fees/);
  }
  await assert.rejects(send(api, inside, meter.key, { tip: 1 }), /Inability to pay some fees/);
  assert.equal(await free(api, granted.pot), before);
});
