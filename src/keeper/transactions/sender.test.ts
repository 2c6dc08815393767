/** A sender on a real chain that mines when it is told: fees, drops, reorganisations, gaps, private relays. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Abi,
  type Address,
  createPublicClient,
  createTestClient,
  createWalletClient,
  encodeFunctionData,
  http,
  type PublicClient,
} from 'viem';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Anvil, startAnvil } from '../../chain/anvil.ts';
import { linkedBytecode, loadArtifact } from '../../chain/artifacts.ts';
import type { TransactionEvent } from './events.ts';
import type { TransactionJournal } from './journal.ts';
import { type SenderOptions, type TransactionIntent, TransactionSender } from './sender.ts';
import { MemoryJournal } from './testing.ts';

const GWEI = 10n ** 9n;
/** Of a transfer of tokens, with plenty to spare. */
const GENEROUS = 10n ** 17n;

let anvil: Anvil;
let client: PublicClient;
let token: Address;
let abi: Abi;
const control = () => createTestClient({ mode: 'anvil', transport: http(anvil.url) });
const senders: TransactionSender[] = [];

beforeAll(async () => {
  anvil = await startAnvil();
  client = createPublicClient({ transport: http(anvil.url), pollingInterval: 20, cacheTime: 0 });
  const artifact = loadArtifact('TestUsd');
  ({ abi } = artifact);
  const wallet = walletOf(0);
  const hash = await wallet.deployContract({ abi, bytecode: linkedBytecode(artifact), chain: null });
  token = (await client.waitForTransactionReceipt({ hash })).contractAddress!;
  // A second account holds tokens and lets the sender have them.
  const owner = walletOf(2);
  for (const [functionName, args] of [
    ['mint', [owner.account.address, 1_000n]],
    ['approve', [anvil.accounts[1]!.address, 1_000n]],
  ] as const) {
    const sent = await owner.writeContract({ address: token, abi, functionName, args, chain: null });
    await client.waitForTransactionReceipt({ hash: sent });
  }
}, 120_000);

afterAll(async () => {
  await anvil?.stop();
});

beforeEach(async () => {
  await control().setNextBlockBaseFeePerGas({ baseFeePerGas: GWEI });
  await control().mine({ blocks: 1 });
  await control().setAutomine(false);
});
afterEach(async () => {
  await Promise.all(senders.splice(0).map((sender) => sender.stop()));
  await rpc('anvil_dropAllTransactions');
  await control().setAutomine(true);
  await control().mine({ blocks: 1 });
});

function walletOf(index: number) {
  return createWalletClient({ account: anvil.accounts[index]!, transport: http(anvil.url) });
}

async function rpc(method: string, params: readonly unknown[] = []): Promise<void> {
  await control().request({ method, params } as never);
}

/** Mines a block with a base fee. */
async function mine(baseFee = GWEI): Promise<void> {
  await control().setNextBlockBaseFeePerGas({ baseFeePerGas: baseFee });
  await control().mine({ blocks: 1 });
}

async function open(
  options: Partial<SenderOptions> = {},
): Promise<{ sender: TransactionSender; events: TransactionEvent[]; journal: TransactionJournal }> {
  const events: TransactionEvent[] = [];
  const journal = options.journal ?? new MemoryJournal();
  const sender = await TransactionSender.open({
    client,
    account: anvil.accounts[1]!,
    chainId: anvil.chainId,
    abis: new Map([[token.toLowerCase(), abi]]),
    journal,
    confirmations: 1,
    bumpAfterBlocks: 1,
    // Passes are made by the tests.
    pollMs: 600_000,
    fees: { priorityFee: GWEI },
    onEvent: (event) => events.push(event),
    ...options,
  });
  senders.push(sender);
  return { sender, events, journal };
}

async function intent(amount = 1n, changes: Partial<TransactionIntent> = {}): Promise<TransactionIntent> {
  const { timestamp } = await client.getBlock();
  return {
    kind: 'bid',
    to: token,
    data: encodeFunctionData({
      abi,
      functionName: 'transferFrom',
      args: [anvil.accounts[2]!.address, anvil.accounts[1]!.address, amount],
    }),
    maxCost: GENEROUS,
    gain: 0n,
    notAfter: timestamp + 3_600n,
    details: {},
    ...changes,
  };
}

/** Submits, and waits until it has been broadcast. */
async function submit(sender: TransactionSender, wish: TransactionIntent) {
  const count = sender.pending.length;
  const outcome = sender.submit(wish);
  outcome.catch(() => {});
  while (sender.pending.length === count) await new Promise((resolve) => setTimeout(resolve, 10));
  // A pass waits for the submission's turn to end.
  await sender.pass();
  return { outcome };
}

const kinds = (events: readonly TransactionEvent[]) => events.map(({ type }) => type);

describe('a transaction', () => {
  it('is confirmed when it is deep enough', async () => {
    const { sender, events } = await open({ confirmations: 3 });
    const { outcome } = await submit(sender, await intent());
    await mine();
    await sender.pass();
    expect(kinds(events)).toEqual(['sent', 'included']);
    await mine();
    await sender.pass();
    expect(sender.pending).toHaveLength(1);
    await mine();
    await sender.pass();
    expect(await outcome).toMatchObject({ end: 'confirmed', inclusion: { succeeded: true } });
    expect(sender.pending).toEqual([]);
    expect(sender.ended).toHaveLength(1);
  });

  it('that would be refused is not sent, and the reason has a name', async () => {
    const { sender } = await open();
    const before = await client.getTransactionCount({
      address: anvil.accounts[1]!.address,
      blockTag: 'pending',
    });
    expect(await sender.submit(await intent(1_000_000n))).toMatchObject({
      end: 'refused',
      reason: 'ERC20InsufficientAllowance',
    });
    expect(await sender.submit(await intent(1n, { maxCost: 21_000n }))).toEqual({
      end: 'refused',
      reason: 'GasAboveProfit',
    });
    expect(
      await client.getTransactionCount({ address: anvil.accounts[1]!.address, blockTag: 'pending' }),
    ).toBe(before);
  });

  it('that no balance pays for is not sent', async () => {
    const address = anvil.accounts[1]!.address;
    const balance = await client.getBalance({ address });
    await control().setBalance({ address, value: GWEI });
    const { sender } = await open();
    expect(await sender.submit(await intent())).toEqual({ end: 'refused', reason: 'InsufficientFunds' });
    await control().setBalance({ address, value: balance });
  });
});

describe('a transaction that is not included', () => {
  it('is replaced by dearer ones, each by an eighth at least, until it is', async () => {
    const { sender, events } = await open();
    const { outcome } = await submit(sender, await intent());
    for (const baseFee of [20n, 90n, 400n]) {
      await mine(baseFee * GWEI);
      await sender.pass();
    }
    const { attempts } = sender.pending[0]!;
    expect(attempts.length).toBeGreaterThanOrEqual(3);
    for (const [index, attempt] of attempts.entries()) {
      const before = attempts[index - 1];
      if (before === undefined) continue;
      expect(attempt.maxFeePerGas * 8n).toBeGreaterThanOrEqual(before.maxFeePerGas * 9n);
      expect(attempt.maxPriorityFeePerGas * 8n).toBeGreaterThanOrEqual(before.maxPriorityFeePerGas * 9n);
    }
    await mine(400n * GWEI);
    await sender.pass();
    expect(await outcome).toMatchObject({ end: 'confirmed', inclusion: { hash: attempts.at(-1)!.hash } });
    expect(kinds(events)).not.toContain('sendFailed');
  });

  it('never offers more than it is worth, and waits there', async () => {
    const { sender, events } = await open();
    // The gas of the call is about 50,000: at most about 5 gwei each.
    const maxCost = 300_000n * GWEI;
    const { outcome } = await submit(sender, await intent(1n, { maxCost }));
    for (let block = 0; block < 12; block += 1) {
      await mine(100n * GWEI);
      await sender.pass();
    }
    expect(kinds(events)).toContain('capped');
    for (const { gas, maxFeePerGas } of sender.pending[0]!.attempts) {
      expect(gas * maxFeePerGas).toBeLessThanOrEqual(maxCost);
    }
    // The market comes back to it; meanwhile the node may have dropped it.
    for (let block = 0; block < 3; block += 1) {
      await mine(GWEI);
      await sender.pass();
    }
    const done = await outcome;
    expect(done).toMatchObject({ end: 'confirmed' });
    if (done.end === 'confirmed') expect(done.inclusion!.cost).toBeLessThanOrEqual(maxCost);
  });

  it('makes way for others once it may not offer more', async () => {
    const { sender, events } = await open();
    const poor = await submit(sender, await intent(1n, { maxCost: 300_000n * GWEI }));
    const rich = await submit(sender, await intent(2n));
    for (let block = 0; block < 12 && sender.pending.length > 0; block += 1) {
      await mine(100n * GWEI);
      await sender.pass();
    }
    expect(await poor.outcome).toMatchObject({ end: 'cancelled' });
    expect(await rich.outcome).toMatchObject({ end: 'confirmed' });
    expect(events.find(({ type }) => type === 'cancelling')).toMatchObject({ reason: 'holds up others' });
  });

  it('is sent again when the node has dropped it', async () => {
    const { sender, events } = await open({ bumpAfterBlocks: 100 });
    const { outcome } = await submit(sender, await intent());
    await rpc('anvil_dropAllTransactions');
    await sender.pass();
    expect(kinds(events)).toEqual(['sent', 'rebroadcast']);
    await mine();
    await sender.pass();
    expect(await outcome).toMatchObject({ end: 'confirmed' });
  });

  it('is cancelled when it would be reverted, for the gas of a transfer', async () => {
    const { sender, events } = await open({ bumpAfterBlocks: 100 });
    const { outcome } = await submit(sender, await intent());
    await rpc('anvil_dropAllTransactions');
    const owner = walletOf(2);
    const approve = (amount: bigint) =>
      owner.writeContract({
        address: token,
        abi,
        functionName: 'approve',
        args: [anvil.accounts[1]!.address, amount],
        chain: null,
      });
    await approve(0n);
    await mine();
    // Once may be the middle of a reorganisation.
    await sender.pass();
    expect(events.find(({ type }) => type === 'cancelling')).toBeUndefined();
    await sender.pass();
    expect(events.find(({ type }) => type === 'cancelling')).toMatchObject({
      reason: 'ERC20InsufficientAllowance',
    });
    await approve(1_000n);
    await mine();
    await sender.pass();
    expect(await outcome).toMatchObject({
      end: 'cancelled',
      inclusion: { gasUsed: 21_000n, succeeded: true },
    });
  });

  it.each(['bid', 'fill'])('of kind %s is cancelled when it is too late', async (kind) => {
    const { sender } = await open({ bumpAfterBlocks: 100 });
    const { timestamp } = await client.getBlock();
    const { outcome } = await submit(sender, await intent(1n, { kind, notAfter: timestamp + 5n }));
    await rpc('anvil_dropAllTransactions');
    await control().increaseTime({ seconds: 60 });
    await mine();
    await sender.pass();
    await mine();
    await sender.pass();
    expect(await outcome).toMatchObject({ end: 'cancelled' });
  });
});

describe('a reorganisation', () => {
  it.each([1, 2, 3])('of depth %d has the transaction sent again', async (depth) => {
    const { sender, events } = await open({ confirmations: 5 });
    const { outcome } = await submit(sender, await intent());
    for (let block = 0; block < depth; block += 1) await mine();
    await sender.pass();
    await rpc('anvil_reorg', [depth, []]);
    await sender.pass();
    expect(kinds(events)).toEqual(['sent', 'included', 'reorged', 'rebroadcast']);
    for (let block = 0; block < 5; block += 1) await mine();
    await sender.pass();
    expect(await outcome).toMatchObject({ end: 'confirmed' });
  });

  it('that takes the chance away has it cancelled', async () => {
    const { sender } = await open({ confirmations: 5 });
    const { outcome } = await submit(sender, await intent());
    await mine();
    await sender.pass();
    await rpc('anvil_reorg', [1, []]);
    await walletOf(2).writeContract({
      address: token,
      abi,
      functionName: 'approve',
      args: [anvil.accounts[1]!.address, 0n],
      chain: null,
    });
    await mine();
    await sender.pass();
    await sender.pass();
    for (let block = 0; block < 5; block += 1) await mine();
    await sender.pass();
    expect(await outcome).toMatchObject({ end: 'cancelled' });
    await walletOf(2).writeContract({
      address: token,
      abi,
      functionName: 'approve',
      args: [anvil.accounts[1]!.address, 1_000n],
      chain: null,
    });
    await mine();
  });
});

describe('a sender that starts again', () => {
  it('takes up what is in the journal', async () => {
    const first = await open();
    const { outcome } = await submit(first.sender, await intent());
    await first.sender.stop();
    await expect(outcome).rejects.toMatchObject({ code: 'STOPPED' });
    await rpc('anvil_dropAllTransactions');
    const second = await open({ journal: first.journal });
    const [record] = second.sender.pending;
    const followed = second.sender.follow(record!.id)!;
    await second.sender.pass();
    await mine();
    await second.sender.pass();
    expect(await followed).toMatchObject({
      end: 'confirmed',
      inclusion: { hash: record!.attempts[0]!.hash },
    });
  });

  it('fills a nonce that is missing before others', async () => {
    const first = await open();
    await submit(first.sender, await intent(1n));
    await submit(first.sender, await intent(2n));
    await first.sender.stop();
    const [lost, kept] = first.sender.pending;
    await first.journal.remove(lost!.id);
    await rpc('anvil_dropAllTransactions');
    const { sender, events } = await open({ journal: first.journal, gapAfterMs: 0 });
    const followed = sender.follow(kept!.id)!;
    for (let pass = 0; pass < 3; pass += 1) {
      await sender.pass();
      await mine();
    }
    await sender.pass();
    expect(events.find(({ type }) => type === 'gap')).toMatchObject({ nonce: lost!.nonce });
    expect(await followed).toMatchObject({ end: 'confirmed' });
    expect(await client.getTransactionCount({ address: anvil.accounts[1]!.address })).toBe(kept!.nonce + 1);
  });

  it('gives up a nonce that a stranger has used with the same key', async () => {
    const { sender } = await open({ bumpAfterBlocks: 100 });
    const { outcome } = await submit(sender, await intent());
    const { nonce } = sender.pending[0]!;
    await rpc('anvil_dropAllTransactions');
    await walletOf(1).sendTransaction({ to: token, nonce, chain: null, data: '0x18160ddd', gas: 100_000n });
    await mine();
    for (let pass = 0; pass < 5; pass += 1) await sender.pass();
    expect(await outcome).toEqual({ end: 'lost' });
    const next = await submit(sender, await intent());
    await mine();
    await sender.pass();
    expect(await next.outcome).toMatchObject({ end: 'confirmed' });
  });

  it('refuses a journal of another key', async () => {
    const first = await open();
    const { outcome } = await submit(first.sender, await intent());
    await first.sender.stop();
    await expect(outcome).rejects.toMatchObject({ code: 'STOPPED' });
    await expect(open({ journal: first.journal, account: anvil.accounts[3]! })).rejects.toMatchObject({
      code: 'JOURNAL_FOREIGN',
      details: { signer: anvil.accounts[1]!.address, chain: anvil.chainId },
    });
  });

  it('refuses an RPC of another chain', async () => {
    await expect(open({ chainId: 1 })).rejects.toMatchObject({ code: 'WRONG_CHAIN' });
  });
});

describe('two processes with one key', () => {
  const address = () => anvil.accounts[1]!.address;
  const nonces = async () => ({
    latest: await client.getTransactionCount({ address: address() }),
    pending: await client.getTransactionCount({ address: address(), blockTag: 'pending' }),
  });

  it('that start one after the other: the second one sends nothing behind the first one, and tells', async () => {
    const first = await open();
    const begun = await submit(first.sender, await intent(1n));
    const { nonce } = first.sender.pending[0]!;
    const second = await open();
    expect(second.events).toEqual([{ type: 'foreign', nonce, until: nonce + 1 }]);
    expect(await second.sender.submit(await intent(2n))).toEqual({ end: 'refused', reason: 'ForeignNonce' });
    // Nothing of it is in the mempool, nor a filler.
    await second.sender.pass();
    expect((await nonces()).pending).toBe(nonce + 1);
    await mine();
    await first.sender.pass();
    expect(await begun.outcome).toMatchObject({ end: 'confirmed' });
    // Once the chain has it, the other one may go on.
    const next = await submit(second.sender, await intent(2n));
    await mine();
    await second.sender.pass();
    expect(await next.outcome).toMatchObject({ end: 'confirmed' });
    expect(kinds(second.events).filter((type) => type === 'foreign')).toHaveLength(1);
  });

  it('that owe something: what is owed is sent behind the other one, and nothing else', async () => {
    const first = await open();
    await submit(first.sender, await intent(1n));
    const second = await open();
    await submit(second.sender, await intent(2n, { isOwed: true }));
    expect(await second.sender.submit(await intent(3n))).toEqual({ end: 'refused', reason: 'ForeignNonce' });
  });

  it('that run side by side: each tells of the other, and waits', async () => {
    const [first, second] = [await open(), await open()];
    const begun = await submit(first.sender, await intent(1n));
    const { nonce } = first.sender.pending[0]!;
    expect(await second.sender.submit(await intent(2n))).toEqual({ end: 'refused', reason: 'ForeignNonce' });
    expect(second.events).toContainEqual({ type: 'foreign', nonce, until: nonce + 1 });
    await mine();
    await first.sender.pass();
    expect(await begun.outcome).toMatchObject({ end: 'confirmed' });
    const next = await submit(second.sender, await intent(2n));
    expect(await first.sender.submit(await intent(3n))).toEqual({ end: 'refused', reason: 'ForeignNonce' });
    await mine();
    await second.sender.pass();
    expect(await next.outcome).toMatchObject({ end: 'confirmed' });
    expect(await nonces()).toEqual({ latest: nonce + 2, pending: nonce + 2 });
  });

  it('that sign for the same nonce at once: the chain chooses, and nobody raises a fee', async () => {
    const { sender, events } = await open();
    await control().setNextBlockBaseFeePerGas({ baseFeePerGas: GWEI });
    // The other one has signed for the nonce that this one is about to use, and its transaction comes first.
    const { pending: nonce } = await nonces();
    const { outcome } = await submit(sender, await intent(1n));
    await rpc('anvil_dropAllTransactions');
    const rival = await walletOf(1).sendTransaction({
      to: token,
      nonce,
      chain: null,
      data: '0x18160ddd',
      gas: 100_000n,
      maxFeePerGas: 20n * GWEI,
      maxPriorityFeePerGas: 2n * GWEI,
    });
    for (let pass = 0; pass < 4; pass += 1) await sender.pass();
    expect(events).toContainEqual({ type: 'foreign', nonce, until: nonce + 1 });
    expect(sender.pending[0]!.attempts).toHaveLength(1);
    expect((await client.getTransaction({ hash: rival })).blockNumber).toBeNull();
    expect(await sender.submit(await intent(2n))).toEqual({ end: 'refused', reason: 'ForeignNonce' });
    await mine();
    for (let pass = 0; pass < 5; pass += 1) await sender.pass();
    expect(await outcome).toEqual({ end: 'lost' });
    // No nonce is stuck.
    const next = await submit(sender, await intent(2n));
    await mine();
    await sender.pass();
    expect(await next.outcome).toMatchObject({ end: 'confirmed' });
  });
});

describe('a private relay', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** Passes requests on to the chain, and tells their methods. */
  async function proxy(methods: string[]): Promise<string> {
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      methods.push((JSON.parse(body) as { method: string }).method);
      const answer = await fetch(anvil.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      response.setHeader('content-type', 'application/json');
      response.end(await answer.text());
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('is where all transactions go, and nothing else', async () => {
    const shown: string[] = [];
    const hidden: string[] = [];
    const publicUrl = await proxy(shown);
    const { sender } = await open({
      client: createPublicClient({ transport: http(publicUrl), cacheTime: 0 }),
      relayUrl: await proxy(hidden),
    });
    const { outcome } = await submit(sender, await intent());
    await mine();
    await sender.pass();
    expect(await outcome).toMatchObject({ end: 'confirmed' });
    expect(new Set(hidden)).toEqual(new Set(['eth_sendRawTransaction']));
    expect(shown).not.toContain('eth_sendRawTransaction');
  });

  it('that fails is tried again', async () => {
    const { sender, events } = await open({ relayUrl: 'http://127.0.0.1:9' });
    const { outcome } = await submit(sender, await intent());
    expect(kinds(events)).toContain('sendFailed');
    expect(
      await client.getTransactionCount({ address: anvil.accounts[1]!.address, blockTag: 'pending' }),
    ).toBe(sender.pending[0]!.nonce);
    await sender.stop();
    await expect(outcome).rejects.toMatchObject({ code: 'STOPPED' });
  });
});
