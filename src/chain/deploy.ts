/** Deploys the protocol, wires its roles and hands it to its governors. May be run again: what is done is kept. */
import type { Groth16VerificationKey } from 'snarkjs';
import type { Address } from 'viem';
import { keyOriginOf } from '../proof/ceremony/origin.ts';
import { INSTANCES, type Instance, instancesOf } from '../proof/instances.ts';
import {
  batchContractName,
  entryOf,
  loadManifest,
  loadVerificationKey,
  verifierContractName,
} from '../proof/keys/artifacts.ts';
import { verificationKeyHash } from '../proof/keys/documents.ts';
import { PROTOCOL_CONTRACTS } from './artifacts.ts';
import { Deployer, type DeployerOptions, type DeployerWallet } from './deployer.ts';
import {
  type CollateralSetup,
  type OracleConfiguration,
  type OracleSetup,
  oracleConfiguration,
} from './deployment-options.ts';
import { ChainError, DevelopmentKeyError } from './errors.ts';
import { type GovernanceSetup, handOver } from './hand-over.ts';

export type { DeployerWallet } from './deployer.ts';

/** Chains on which a verifier of a development key may be deployed. */
export const LOCAL_CHAIN_IDS: readonly number[] = [31_337, 1_337];
/** Account of the insurance fund in the clearing house. */
export const FUND_ACCOUNT_ID = 1n;

/** Circuits with a verifier of batches. */
export const BATCH_CIRCUITS = instancesOf('insolvency');

/** Money of the sealed-bid stage, 1e-6 units. */
export interface SealedBidSettings {
  /** Least stake of a registered liquidator. */
  readonly minimumStake: bigint;
  /** Part of the stake that each sealed bid locks. */
  readonly bond: bigint;
}

/** A bid that is not honoured costs 1,000 USD; a liquidator may have ten at a time. */
export const DEFAULT_SEALED_BIDS: SealedBidSettings = Object.freeze({
  minimumStake: 10_000_000_000n,
  bond: 1_000_000_000n,
});

/** Contracts with an owner. */
const OWNED = [
  'oracle',
  'parameters',
  'vault',
  'fund',
  'clearingHouse',
  'registry',
  'auctionHouse',
  'sealedBids',
] as const;

/** What to deploy. */
export interface DeployOptions extends DeployerOptions {
  /** Delay of risk parameters, seconds; at least two days unless the chain is local. */
  readonly parameterDelaySeconds: bigint;
  readonly underlyings: readonly OracleSetup[];
  readonly collateral?: readonly CollateralSetup[];
  /** Largest draw from the insurance fund for each underlying and period, 1e-6 units. */
  readonly fundCap?: bigint;
  /** {@link DEFAULT_SEALED_BIDS} unless given. */
  readonly sealedBids?: Partial<SealedBidSettings>;
  /** May attest that they hold withheld openings. */
  readonly custodians?: readonly Address[];
  readonly fees?: { readonly flat: bigint; readonly cashBps: number };
  /** Settlement asset with 6 decimals; a test token that anyone can mint is deployed on local chains when absent. */
  readonly asset?: Address;
  /** Takes over the ownership of all contracts; the deployer keeps it when absent, on local chains alone. */
  readonly governance?: GovernanceSetup;
  /** Which verifier contract judges a circuit's proofs; those of development keys unless given. */
  readonly verifiers?: Partial<Record<Instance, string>>;
  /** Which contract judges batches of a circuit's proofs; those of development keys unless given. */
  readonly batchVerifiers?: Partial<Record<Instance<'insolvency'>, string>>;
  /** Where the manifest of keys is; `proving-keys` unless given. */
  readonly keyDirectory?: string;
}

/** Where everything is. */
export interface Deployment {
  readonly chainId: number;
  readonly asset: Address;
  readonly oracle: Address;
  readonly parameters: Address;
  readonly gate: Address;
  readonly vault: Address;
  readonly fund: Address;
  readonly clearingHouse: Address;
  readonly registry: Address;
  readonly engine: Address;
  readonly auctionHouse: Address;
  readonly sealedBids: Address;
  readonly poseidonT6: Address;
  /** Verifiers by circuit. */
  readonly verifiers: Readonly<Record<string, Address>>;
  /** Owner of all contracts: the timelock, or the deployer. */
  readonly owner: Address;
  /** Gas used by this run. */
  readonly gasUsed: bigint;
}

/**
 * Deploys and wires the protocol. Risk parameters are proposed separately.
 *
 * @throws DevelopmentKeyError for a key of no public ceremony on a chain that is not local
 * @throws ChainError `GOVERNANCE_MISSING`, `VERIFIER_MISMATCH`, `ARTIFACT_MISSING`, `DEPLOYMENT_FAILED`, `VERIFIER_FORGEABLE`, and
 * of the address book
 */
export async function deployProtocol(wallet: DeployerWallet, options: DeployOptions): Promise<Deployment> {
  const deployer = await Deployer.create(wallet, options);
  const isLocal = LOCAL_CHAIN_IDS.includes(deployer.chainId);
  const verifierNames: Record<string, string> = {};
  for (const circuit of INSTANCES) {
    verifierNames[circuit] = options.verifiers?.[circuit] ?? verifierContractName(circuit);
  }
  for (const circuit of BATCH_CIRCUITS) {
    verifierNames[`${circuit} batch`] =
      options.batchVerifiers?.[circuit] ?? batchContractName(verifierContractName(circuit));
  }
  if (!isLocal) {
    await requirePublic(deployer.chainId, options, Object.values(verifierNames));
    await requireCeremonyKeys(deployer, verifierNames, options.keyDirectory);
  }

  const verifiers: Record<string, Address> = {};
  for (const [role, contract] of Object.entries(verifierNames)) {
    verifiers[role] = await deployer.deploy(`verifier ${role}`, contract);
  }
  await checkVerifiers(deployer, verifiers, isLocal, options.keyDirectory);

  const owner = deployer.sender;
  const poseidonT6 = await deployer.deploy('poseidonT6', 'PoseidonT6');
  const asset = options.asset ?? (await deployer.deploy('asset', 'TestUsd'));
  const oracle = await deployer.deploy('oracle', 'RiskOracle', [owner]);
  const parameters = await deployer.deploy(
    'parameters',
    'RiskParameters',
    [owner, options.parameterDelaySeconds],
    {
      libraries: { PoseidonT6: poseidonT6 },
    },
  );
  const gate = await deployer.deploy('gate', 'ProofGate', [
    oracle,
    parameters,
    {
      insolvency8: verifiers['insolvency-8'],
      insolvency16: verifiers['insolvency-16'],
      insolvency32: verifiers['insolvency-32'],
      solvency8: verifiers['solvency-8'],
      solvency16: verifiers['solvency-16'],
      transfer16: verifiers['transfer-16'],
      settlement8: verifiers['settlement-8'],
      settlement32: verifiers['settlement-32'],
      insolvencyBatch8: verifiers['insolvency-8 batch'],
      insolvencyBatch16: verifiers['insolvency-16 batch'],
      insolvencyBatch32: verifiers['insolvency-32 batch'],
    },
  ]);
  const vault = await deployer.deploy('vault', 'CollateralVault', [oracle, owner]);
  const fund = await deployer.deploy('fund', 'InsuranceFund', [owner]);
  const clearingHouse = await deployer.deploy('clearingHouse', 'ClearingHouse', [
    asset,
    owner,
    gate,
    oracle,
    parameters,
    vault,
    fund,
  ]);
  const registry = await deployer.deploy('registry', 'LiquidatorRegistry', [owner]);
  const engine = await deployer.deploy('engine', 'LiquidationEngine', [
    oracle,
    parameters,
    clearingHouse,
    gate,
    registry,
  ]);
  const auctionProceedings = await deployer.deploy('auctionProceedings', 'AuctionProceedings');
  const auctionHouse = await deployer.deploy(
    'auctionHouse',
    'AuctionHouse',
    [owner, oracle, parameters, clearingHouse, gate, registry],
    { libraries: { AuctionProceedings: auctionProceedings } },
  );
  const { minimumStake, bond } = { ...DEFAULT_SEALED_BIDS, ...options.sealedBids };
  const sealedBids = await deployer.deploy('sealedBids', 'SealedBidStage', [
    owner,
    asset,
    clearingHouse,
    auctionHouse,
    minimumStake,
    bond,
  ]);
  const deployment: Deployment = {
    chainId: deployer.chainId,
    asset,
    oracle,
    parameters,
    gate,
    vault,
    fund,
    clearingHouse,
    registry,
    engine,
    auctionHouse,
    sealedBids,
    poseidonT6,
    verifiers,
    owner,
    gasUsed: 0n,
  };
  await wire(deployer, deployment, options);
  const finalOwner =
    options.governance === undefined
      ? owner
      : await handOver(
          deployer,
          OWNED.map((name) => ({ name, address: deployment[name] })),
          options.governance,
        );
  return { ...deployment, owner: finalOwner, gasUsed: deployer.gasUsed };
}

/** @throws DevelopmentKeyError, ChainError `GOVERNANCE_MISSING` */
async function requirePublic(
  chainId: number,
  options: DeployOptions,
  verifierNames: readonly string[],
): Promise<void> {
  for (const contract of verifierNames) {
    // A verifier that the manifest does not know is no better than one with known secrets.
    if ((await keyOriginOf(contract, options.keyDirectory)) !== 'ceremony') {
      throw new DevelopmentKeyError(chainId, contract);
    }
  }
  if (options.governance === undefined) {
    throw new ChainError(
      'GOVERNANCE_MISSING',
      'Name governors and a delay: on a public chain a timelock owns the contracts, not the deployer.',
      { chainId },
    );
  }
  if (options.asset === undefined) {
    throw new ChainError('ASSET_MISSING', 'Name the settlement asset: the test token is for local chains.', {
      chainId,
    });
  }
}

/**
 * The manifest knows a verifier by its name. Whether the contract that was built has the key of the circuit that it is to judge, and
 * not that of another circuit or of an earlier ceremony, is seen in its code: all numbers of the key stand there.
 *
 * @throws ChainError `VERIFIER_MISMATCH`, of the artefact; ProofError of the verification key
 */
async function requireCeremonyKeys(
  deployer: Deployer,
  verifierNames: Readonly<Record<string, string>>,
  keyDirectory: string | undefined,
): Promise<void> {
  const roots = keyDirectory === undefined ? {} : { keys: keyDirectory };
  const manifest = await loadManifest(roots);
  for (const [role, contract] of Object.entries(verifierNames)) {
    const { circuit } = judgedBy(role);
    const key = await loadVerificationKey(circuit, 'ceremony', roots);
    const isCommitted = entryOf(manifest, circuit)?.verificationKeyHash === verificationKeyHash(key);
    if (isCommitted && holdsKey(deployer.artifact(contract).bytecode, key)) continue;
    throw new ChainError(
      'VERIFIER_MISMATCH',
      isCommitted
        ? `Name the contract that ceremony finalize wrote for ${circuit}, and build it: ${contract} has another key.`
        : `Restore the verification key of ${circuit}: it is not the one that the manifest names.`,
      { chainId: deployer.chainId, role, verifier: contract },
    );
  }
}

/** What a verifier judges, by its role: the name of a circuit, with `batch` behind it for several proofs at once. */
function judgedBy(role: string): { circuit: string; isBatch: boolean } {
  const [circuit, batch] = role.split(' ') as [string, string | undefined];
  return { circuit, isBatch: batch !== undefined };
}

/** Whether creation bytecode pushes every coordinate of a verification key. */
function holdsKey(bytecode: string, key: Groth16VerificationKey): boolean {
  const { vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, IC } = key;
  const coordinates = [
    ...[vk_alpha_1, ...IC].flatMap((point) => point.slice(0, 2)),
    ...[vk_beta_2, vk_gamma_2, vk_delta_2].flatMap((point) => point.slice(0, 2).flat()),
  ];
  return coordinates.every((coordinate) => {
    const digits = BigInt(coordinate).toString(16);
    return bytecode.includes(digits.padStart(digits.length + (digits.length % 2), '0'));
  });
}

/**
 * Has each verifier judge the forgeries that need no secret.
 *
 * @throws ChainError `VERIFIER_FORGEABLE`
 */
async function checkVerifiers(
  deployer: Deployer,
  verifiers: Readonly<Record<string, Address>>,
  isLocal: boolean,
  keyDirectory: string | undefined,
): Promise<void> {
  // Loads the curve's code, which takes a while.
  const { acceptedForgeries } = await import('./verifier-check.ts');
  const roots = keyDirectory === undefined ? {} : { keys: keyDirectory };
  for (const [role, address] of Object.entries(verifiers)) {
    const { circuit, isBatch } = judgedBy(role);
    const key = await loadVerificationKey(circuit, isLocal ? 'development' : 'ceremony', roots);
    const forgeries = await acceptedForgeries(deployer.client, address, key, { batch: isBatch });
    if (forgeries.length > 0) {
      throw new ChainError('VERIFIER_FORGEABLE', `The verifier of ${role} accepts a forged proof.`, {
        address,
        forgery: forgeries[0]!.name,
      });
    }
  }
}

/** Tells the contracts of one another, and sets what they need to begin. */
async function wire(deployer: Deployer, deployment: Deployment, options: DeployOptions): Promise<void> {
  const { clearingHouse, engine, auctionHouse, sealedBids } = deployment;
  const step = async (
    role: keyof typeof PROTOCOL_CONTRACTS,
    name: string,
    isDone: (read: <T>(functionName: string, args?: readonly unknown[]) => Promise<T>) => Promise<boolean>,
    functionName: string,
    args: readonly unknown[],
  ): Promise<void> => {
    const { abi } = deployer.artifact(PROTOCOL_CONTRACTS[role]);
    const address = deployment[role];
    await deployer.ensure(
      name,
      () => isDone((view, given = []) => deployer.read(abi, address, view, given)),
      {
        abi,
        address,
        functionName,
        args,
      },
    );
  };

  await step(
    'vault',
    'vault told of the house',
    async (read) => (await read('house')) === clearingHouse,
    'initialize',
    [clearingHouse],
  );
  await step(
    'fund',
    'fund told of the house',
    async (read) => (await read('clearingHouse')) === clearingHouse,
    'initialize',
    [clearingHouse],
  );
  for (const [name, address] of [
    ['engine', engine],
    ['auction house', auctionHouse],
  ] as const) {
    await step(
      'clearingHouse',
      `${name} enabled`,
      (read) => read<boolean>('isEngine', [address]),
      'setEngine',
      [address, true],
    );
  }
  await step(
    'clearingHouse',
    'auction house set',
    async (read) => (await read('auctionHouse')) === auctionHouse,
    'setAuctionHouse',
    [auctionHouse],
  );
  await step(
    'auctionHouse',
    'sealed-bid stage set',
    async (read) => (await read('sealedBidStage')) === sealedBids,
    'setSealedBidStage',
    [sealedBids],
  );
  for (const custodian of options.custodians ?? []) {
    await step(
      'clearingHouse',
      `custodian ${custodian}`,
      (read) => read<boolean>('isCustodian', [custodian]),
      'setCustodian',
      [custodian, true],
    );
  }
  if (options.fees !== undefined) {
    const { flat, cashBps } = options.fees;
    await step(
      'clearingHouse',
      'trade fee set',
      async (read) => {
        const [currentFlat, currentBps] = await read<[bigint, number]>('tradeFee');
        return currentFlat === flat && currentBps === cashBps;
      },
      'setTradeFee',
      [flat, cashBps],
    );
  }
  for (const setup of options.underlyings) await setUpUnderlying(setup);
  for (const { token, priceUnderlyingId, haircutBps, crossHaircutBps, cap } of options.collateral ?? []) {
    await step(
      'vault',
      `collateral ${token}`,
      (read) => read<boolean>('isListed', [token]),
      'addCollateral',
      [token, priceUnderlyingId, { own: haircutBps, cross: crossHaircutBps }, cap],
    );
  }

  async function setUpUnderlying(setup: OracleSetup): Promise<void> {
    const { underlyingId, sources } = setup;
    const configuration = oracleConfiguration(setup);
    await step(
      'oracle',
      `underlying ${underlyingId} configured`,
      async (read) => {
        const current = await read<OracleConfiguration>('configurationOf', [underlyingId]);
        return Object.entries(configuration).every(
          ([field, value]) => current[field as keyof OracleConfiguration] === value,
        );
      },
      'configureUnderlying',
      [underlyingId, configuration],
    );
    for (const source of sources) {
      await step(
        'oracle',
        `source ${source} of underlying ${underlyingId}`,
        async (read) => (await read<readonly Address[]>('sourcesOf', [underlyingId])).includes(source),
        'setSource',
        [underlyingId, source, true],
      );
    }
    const { fundCap } = options;
    if (fundCap !== undefined) {
      await step(
        'fund',
        `fund's cap of underlying ${underlyingId}`,
        async (read) =>
          (await read<readonly [bigint, bigint, number]>('capOf', [underlyingId]))[0] === fundCap,
        'setCap',
        [underlyingId, fundCap],
      );
    }
  }
}
