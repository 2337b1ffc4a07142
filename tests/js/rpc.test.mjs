// What docs/rpc.md says of the markets' JSON-RPC, on a running node: JSON agrees with the runtime API, and errors have
// names. It makes a market and a request of its own, so whatever else is on the chain does not matter.
// M2M_URL is the node's address (default ws://127.0.0.1:9944).

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { WsProvider } from '@polkadot/api';
import { u8aToHex } from '@polkadot/util';
import { encodeAddress, randomAsU8a } from '@polkadot/util-crypto';
import { connect, development, send } from './sponsoring.mjs';

const URL = process.env.M2M_URL ?? 'ws://127.0.0.1:9944';
// Waiting for finality takes a few blocks of three seconds.
const PATIENCE = { timeout: 120_000 };
const NONE = 0xffff_ffff;

const operator = development('Ferdie//stash');
const stranger = encodeAddress(randomAsU8a(32), 42);
const someHash = u8aToHex(randomAsU8a(32));
let provider;
let api;

const read = (method, ...parameters) => provider.send(method, parameters);
const fails = (code, data, method, ...parameters) =>
  assert.rejects(read(method, ...parameters), (error) => {
    assert.equal(error.code, code, error.message);
    if (data) assert.equal(error.data, data);
    return true;
  });

before(async () => {
  provider = new WsProvider(URL, 1_000, {}, 10_000);
  api = await connect(provider);
}, PATIENCE);
after(() => api?.disconnect());

test('every documented method is there', async () => {
  const { methods } = await read('rpc_methods');
  const ours = methods.filter((method) => /^(data|did|energy)_/.test(method));
  assert.deepEqual(ours.sort(), [
    'data_conditions',
    'data_listing',
    'data_listings',
    'data_listingsOf',
    'data_pool',
    'data_poolMember',
    'data_request',
    'data_requests',
    'data_sale',
    'data_seller',
    'data_subscription',
    'did_resolve',
    'energy_book',
    'energy_clearing',
    'energy_entry',
    'energy_lastPrice',
    'energy_market',
    'energy_markets',
    'energy_member',
    'energy_members',
    'energy_openSlots',
    'energy_unsettledSlots',
  ]);
});

test('a market is shown as it was created', PATIENCE, async () => {
  const { createMarket } = api.tx.energyTrading;
  const grid = { bottom: 100_000_000_000n, tickSize: 10_000_000_000n, ticks: 16 };
  const pricing = { retail: 300_000_000_000n, feedIn: 50_000_000_000n, margin: 1_000_000n, gridFee: 25_000_000_000n, grid };
  const topic = u8aToHex(new TextEncoder().encode('certified-meter')).padEnd(34, '0');
  const meters = { topic, issuers: [operator.address] };
  const events = await send(api, createMarket(900, { pricing, window: { ms: 120_000, blocks: 4 } }, meters), operator);
  const { data } = events.find((event) => api.events.energyTrading.MarketCreated.is(event));
  const number = data.market.toNumber();
  const details = (await api.call.energyApi.market(number)).unwrap();

  assert.deepEqual(await read('energy_market', number), {
    market: number,
    operator: encodeAddress(operator.publicKey, 42),
    account: data.account.toString(),
    slotSeconds: 900,
    parameters: [
      {
        firstSlot: details.parameters[0].first.toNumber(),
        retailPerKwh: '300000000000',
        feedInPerKwh: '50000000000',
        marginPerKwh: '1000000',
        gridFeePerKwh: '25000000000',
        bottomPerKwh: '100000000000',
        tickSizePerKwh: '10000000000',
        ticks: 16,
        windowMs: 120_000,
        windowBlocks: 4,
      },
    ],
    meters: { topic: 'certified-meter', issuers: [encodeAddress(operator.publicKey, 42)] },
    feeder: null,
    reserve: '0',
    lastPrice: null,
  });
  assert.deepEqual(await read('energy_markets', number === 0 ? null : number - 1, 1), [number]);
  assert.equal(await read('energy_market', number, api.genesisHash.toHex()), null);

  for (const list of ['energy_members', 'energy_openSlots', 'energy_unsettledSlots']) {
    assert.deepEqual(await read(list, number), [], list);
  }
  assert.equal(await read('energy_lastPrice', number), null);
  assert.equal(await read('energy_book', number, details.parameters[0].first.toNumber()), null);
  assert.equal(await read('energy_clearing', number, 0), null);
  assert.equal(await read('energy_entry', number, 0, stranger), null);
  assert.equal(await read('energy_member', number, stranger), null);
});

test('a request is shown as it was posted, and found by its number', PATIENCE, async () => {
  const expires = (await api.rpc.chain.getHeader()).number.toNumber() + 1_000;
  // The amount is beyond the numbers of JavaScript.
  const spec = {
    schema: someHash,
    area: 'u09wj',
    from: 1_700_000_000_000,
    until: null,
    price: { PerReading: 2n ** 100n },
    metadata: someHash,
    endpoint: 'https://city.example/offers',
    expires,
  };
  const events = await send(api, api.tx.dataMarketplace.postRequest(null, spec), operator);
  const { data } = events.find((event) => api.events.dataMarketplace.RequestPosted.is(event));
  const number = data.request.toNumber();
  const record = (await api.call.dataApi.request(number)).unwrap();

  const shown = {
    request: number,
    buyer: encodeAddress(operator.publicKey, 42),
    schema: someHash,
    area: 'u09wj',
    fromMs: 1_700_000_000_000,
    untilMs: null,
    price: { amount: (2n ** 100n).toString(), per: 'reading' },
    metadata: someHash,
    endpoint: 'https://city.example/offers',
    expiresBlock: expires,
    deposit: record.deposit.toString(),
  };
  assert.ok(record.deposit.toBigInt() > 0n);
  assert.deepEqual(await read('data_request', number), shown);
  const page = await read('data_requests', number, 1);
  assert.deepEqual(page.requests, [shown]);
  assert.equal(await read('data_request', number, api.genesisHash.toHex()), null);
});

test('conditions are those of the runtime API', async () => {
  const { windows, minPrice, fixedCover, feeRate } = await api.call.dataApi.conditions();
  assert.deepEqual(await read('data_conditions'), {
    minRevealBlocks: windows.minReveal.toNumber(),
    maxRevealBlocks: windows.maxReveal.toNumber(),
    minDisputeBlocks: windows.minDispute.toNumber(),
    maxDisputeBlocks: windows.maxDispute.toNumber(),
    maxValidityBlocks: windows.maxValidity.toNumber(),
    unbondingBlocks: windows.unbonding.toNumber(),
    noticeBlocks: windows.notice.toNumber(),
    minPrice: minPrice.toString(),
    fixedCover: fixedCover.toString(),
    feePartsPerMillion: feeRate.toNumber(),
  });
});

test('what is not there is null or an empty list', async () => {
  const nothing = [
    ['energy_market', NONE],
    ['energy_lastPrice', NONE],
    ['data_listing', NONE],
    ['data_sale', someHash],
    ['data_sale', someHash, 5],
    ['data_seller', stranger],
    ['data_subscription', NONE],
    ['data_request', NONE],
    ['data_pool', NONE],
    ['data_poolMember', NONE, stranger],
  ];
  for (const [method, ...parameters] of nothing) assert.equal(await read(method, ...parameters), null, method);
  assert.deepEqual(await read('energy_markets', NONE), []);
  assert.deepEqual(await read('energy_members', NONE), []);
  assert.deepEqual(await read('data_listingsOf', stranger), []);
  assert.deepEqual(await read('data_listings', null, NONE), { listings: [], next: null });
  assert.deepEqual(await read('data_requests', NONE), { requests: [], next: null });
  const filter = {
    schema: someHash,
    area: 'nowhere',
    maxPrice: { amount: '1', per: 'reading' },
    genuine: { topic: 'certified-meter', issuers: [stranger] },
    minRating: 5,
  };
  assert.deepEqual((await read('data_listings', filter)).listings, []);
});

test('what cannot be answered is an error with a code and a name', async () => {
  await fails(20_001, 'UnknownBlock', 'energy_markets', null, null, someHash);
  await fails(20_001, 'UnknownBlock', 'data_conditions', someHash);
  await fails(20_002, 'InvalidAddress', 'energy_member', 0, 'Alice');
  await fails(20_002, 'InvalidAddress', 'data_seller', encodeAddress(operator.publicKey, 0));
  await fails(20_003, 'InvalidFilter', 'data_listings', { minRating: 6 });
  await fails(-32602, undefined, 'data_listings', { colour: 'red' });
  await fails(-32602, undefined, 'data_listings', null, null, 0);
  await fails(-32602, undefined, 'energy_book', 0);
});
