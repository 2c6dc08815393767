/** Gives the contracts of a deployment to a timelock, and takes every power from the deployer. */
import { type Abi, type Address, encodeFunctionData, type Hex, zeroAddress, zeroHash } from 'viem';
import type { Deployer } from './deployer.ts';
import { ChainError } from './errors.ts';

/** Who governs a deployment. */
export interface GovernanceSetup {
  /** May propose and cancel; at least one. */
  readonly governors: readonly Address[];
  /** Seconds between a proposal and its execution, which is anyone's. */
  readonly delaySeconds: bigint;
}

/** A contract with an owner, to be handed over. */
export interface OwnedContract {
  readonly name: string;
  readonly address: Address;
}

const OWNABLE: Abi = [
  ...['owner', 'pendingOwner'].map((name) => ({
    type: 'function' as const,
    name,
    stateMutability: 'view' as const,
    inputs: [],
    outputs: [{ name: '', type: 'address' }],
  })),
  {
    type: 'function',
    name: 'transferOwnership',
    stateMutability: 'nonpayable',
    inputs: [{ name: 'newOwner', type: 'address' }],
    outputs: [],
  },
  { type: 'function', name: 'acceptOwnership', stateMutability: 'nonpayable', inputs: [], outputs: [] },
];

/**
 * Deploys the timelock and makes it the owner. It begins without delay and with the deployer as proposer, accepts the
 * contracts, lets the governors in, sets its delay, and puts the deployer out. Each step is skipped when it is done.
 *
 * @returns the timelock
 * @throws ChainError `GOVERNANCE_MISSING` without governors; `DEPLOYMENT_FAILED`
 */
export async function handOver(
  deployer: Deployer,
  contracts: readonly OwnedContract[],
  { governors, delaySeconds }: GovernanceSetup,
): Promise<Address> {
  if (governors.length === 0) {
    throw new ChainError('GOVERNANCE_MISSING', 'Name at least one governor.');
  }
  const timelock = await deployer.deploy('governance', 'Governance', [0n, [deployer.sender], [zeroAddress]]);
  const { abi } = deployer.artifact('Governance');
  for (const { name, address } of contracts) {
    const holder = (functionName: string) => deployer.read<Address>(OWNABLE, address, functionName);
    await deployer.ensure(
      `${name} offered to the timelock`,
      async () => (await holder('owner')) === timelock || (await holder('pendingOwner')) === timelock,
      { abi: OWNABLE, address, functionName: 'transferOwnership', args: [timelock] },
    );
  }

  const role = (functionName: string): Promise<Hex> => deployer.read(abi, timelock, functionName);
  const [proposer, canceller] = await Promise.all([role('PROPOSER_ROLE'), role('CANCELLER_ROLE')]);
  const hasRole = (which: Hex, account: Address): Promise<boolean> =>
    deployer.read(abi, timelock, 'hasRole', [which, account]);
  const own = (functionName: string, args: readonly unknown[]): Call => ({
    target: timelock,
    data: encodeFunctionData({ abi, functionName, args }),
  });
  const calls: Call[] = [
    ...contracts.map(({ address }) => ({
      target: address,
      data: encodeFunctionData({ abi: OWNABLE, functionName: 'acceptOwnership' }),
    })),
    ...governors.flatMap((governor) => [
      own('grantRole', [proposer, governor]),
      own('grantRole', [canceller, governor]),
    ]),
    own('updateDelay', [delaySeconds]),
    ...(governors.includes(deployer.sender)
      ? []
      : [own('revokeRole', [proposer, deployer.sender]), own('revokeRole', [canceller, deployer.sender])]),
  ];
  const batch = [calls.map(({ target }) => target), calls.map(() => 0n), calls.map(({ data }) => data)];
  const id = await deployer.read<Hex>(abi, timelock, 'hashOperationBatch', [...batch, zeroHash, zeroHash]);
  const state = (functionName: string): Promise<boolean> => deployer.read(abi, timelock, functionName, [id]);
  await deployer.ensure('hand-over scheduled', () => state('isOperation'), {
    abi,
    address: timelock,
    functionName: 'scheduleBatch',
    args: [...batch, zeroHash, zeroHash, 0n],
  });
  await deployer.ensure('hand-over executed', () => state('isOperationDone'), {
    abi,
    address: timelock,
    functionName: 'executeBatch',
    args: [...batch, zeroHash, zeroHash],
  });
  for (const { name, address } of contracts) {
    if ((await deployer.read<Address>(OWNABLE, address, 'owner')) !== timelock) {
      throw new ChainError('DEPLOYMENT_FAILED', `${name} was not handed over to the timelock.`, { address });
    }
  }
  if (!governors.includes(deployer.sender) && (await hasRole(proposer, deployer.sender))) {
    throw new ChainError('DEPLOYMENT_FAILED', 'The deployer still has a role in the timelock.', {
      timelock,
    });
  }
  return timelock;
}

interface Call {
  readonly target: Address;
  readonly data: Hex;
}
