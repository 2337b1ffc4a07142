// Sends a running node what sponsors do not pay for, a lot of it, and checks that the pool refuses all of it before a
// block takes it, and that no pot pays anything. Used by scripts/spam.sh.
// M2M_URL is the node's address (default ws://127.0.0.1:9944).

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { WsProvider } from '@polkadot/api';
import { BLOCK_MS, MILLI_UNIT, UNIT, anchor, connect, development, free, nonce, register, sponsorship } from './sponsoring.mjs';

const URL = process.env.M2M_URL ?? 'ws://127.0.0.1:9944';
// How many transactions of each kind.
const MANY = 50;
// What the node answers when nobody can pay.
const CANNOT_PAY = /1010: Invalid Transaction: Inability to pay some fees/;

const owner = development('Dave//stash');
const sponsor = development('Charlie//stash');
const provider = new WsProvider(URL, 1_000, {}, 10_000);
const api = await connect(provider);
const terms = { calls: ['Telemetry'], capacity: 10n * MILLI_UNIT, refill: 0n, amount: UNIT };

// Gives each transaction to the pool; counts those that it took and those for which nobody can pay.
const flood = async (meter, calls) => {
  const first = await nonce(api, meter.key.address);
  const count = { taken: 0, refused: 0 };
  for (const [index, { call, offset }] of calls.entries()) {
    const signed = await call.signAsync(meter.key, { era: 64, nonce: first + (offset ?? 0), tip: 0 });
    try {
      // Not through the client, which writes each refusal to the terminal.
      await provider.send('author_submitExtrinsic', [signed.toHex()]);
      count.taken += 1;
    } catch (error) {
      assert.match(error.message, CANNOT_PAY, `transaction ${index}`);
      count.refused += 1;
    }
  }
  return count;
};

const blocks = async (number) => {
  const head = async () => (await api.rpc.chain.getHeader()).number.toNumber();
  const goal = (await head()) + number;
  while ((await head()) < goal) await sleep(BLOCK_MS / 3);
};

// Floods, waits until blocks were made, and checks that nothing of it is anywhere.
const mustRefuseAll = async (name, meter, { pot }, calls) => {
  const [money, used] = [await free(api, pot), await nonce(api, meter.key.address)];
  const { taken, refused } = await flood(meter, calls);
  await blocks(3);
  const pending = await api.rpc.author.pendingExtrinsics();
  const mine = pending.filter(({ signer }) => signer.toString() === api.createType('AccountId', meter.key.publicKey).toString());
  assert.equal(taken, 0, `${name}: the pool took ${taken}`);
  assert.equal(mine.length, 0, `${name}: ${mine.length} are in the pool`);
  assert.equal(await nonce(api, meter.key.address), used, `${name}: something got into a block`);
  assert.equal(await free(api, pot), money, `${name}: the pot paid`);
  console.log(`${name}: ${refused} sent, ${refused} refused by the pool, the pot paid 0`);
};

const repeat = (make) => Array.from({ length: MANY }, (_, index) => ({ call: make(index) }));

// ---- Calls outside the allow-list.
{
  const meter = await register(api, owner);
  const granted = await sponsorship(api, sponsor, owner, meter.device, terms);
  const inside = anchor(api, meter, 0, 3);
  await mustRefuseAll('outside the allow-list', meter, granted, repeat((index) => api.tx.system.remark(`spam ${index}`)));
  await mustRefuseAll('an allowed call in a batch', meter, granted, repeat((index) =>
    api.tx.utility.batch([inside, api.tx.system.remark(`${index}`)])
  ));
  await mustRefuseAll('money sent away', meter, granted, repeat((index) => api.tx.balances.transferKeepAlive(owner.address, index + 1)));
}

// ---- Above the bucket: not even one fee fits.
{
  const meter = await register(api, owner);
  const granted = await sponsorship(api, sponsor, owner, meter.device, { ...terms, capacity: 1_000n });
  await mustRefuseAll('above the bucket', meter, granted, repeat((index) => anchor(api, meter, index, MANY - index)));
}

// ---- Above the bucket: each fits, together they do not.
{
  const meter = await register(api, owner);
  const { partialFee } = await anchor(api, meter, 0, MANY).paymentInfo(meter.key);
  const capacity = 3n * partialFee.toBigInt();
  const granted = await sponsorship(api, sponsor, owner, meter.device, { ...terms, capacity });
  const money = await free(api, granted.pot);
  const calls = repeat((index) => anchor(api, meter, index, MANY - index)).map(({ call }, offset) => ({ call, offset }));
  const { taken, refused } = await flood(meter, calls);
  await blocks(4);
  const included = await nonce(api, meter.key.address);
  const paid = money - (await free(api, granted.pot));
  assert.equal(taken + refused, MANY);
  assert.ok(included >= 3 && included < MANY, `${included} are in blocks`);
  // The chain is quiet, so the fee multiplier is one and the pot pays what the bucket counts.
  assert.equal((await api.query.transactionPayment.nextFeeMultiplier()).toBigInt(), 10n ** 18n);
  assert.ok(paid <= capacity, `the pot paid ${paid}, the bucket holds ${capacity}`);
  const [rest] = (await api.call.sponsorshipApi.remaining(meter.device)).sponsored;
  assert.equal(rest.bucket.toBigInt(), capacity - paid);
  console.log(`more than the bucket at once: ${MANY} sent, ${included} in blocks, the pot paid ${paid} of a bucket of ${capacity}`);
  await mustRefuseAll('after the bucket is empty', meter, granted, repeat((index) => anchor(api, meter, included + index, MANY - index)));
}

// ---- Expired.
{
  const meter = await register(api, owner);
  // Two transactions have to be finalized before.
  const expires = Date.now() + 20 * BLOCK_MS;
  const granted = await sponsorship(api, sponsor, owner, meter.device, { ...terms, expires });
  while ((await api.query.timestamp.now()).toNumber() <= expires) await sleep(BLOCK_MS);
  await mustRefuseAll('with an expired sponsorship', meter, granted, repeat((index) => anchor(api, meter, index, MANY - index)));
}

await api.disconnect();
