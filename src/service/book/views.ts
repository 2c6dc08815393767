/** Accounts, markets, liquidations and auctions as the API shows them. */
import { atScale, equityOf, worthOf } from '../../liquidation/amounts.ts';
import { requirementWith } from '../../margin/exact/collateral.ts';
import { packParameters } from '../../margin/parameters.ts';
import { formatInstrument, type Leg, underlyingSymbolOf } from '../../market/instrument.ts';
import {
  type AccountRisk,
  type LiquidationPlan,
  liquidationPricesView,
  marginView,
  plain,
  type RiskMonitor,
  tierOfFigures,
  tierThresholds,
} from '../../risk/monitor/index.ts';
import type {
  AccountRecord,
  AuctionRecord,
  Figures,
  RoundRecord,
  SaleRecord,
} from '../../store/chain-records.ts';
import type { BookMarket, LiveBook } from './live-book.ts';
import type {
  AccountView,
  AuctionView,
  LegView,
  LiquidationPricesView,
  LiquidationView,
  MarginView,
  MarketDataView,
  RoundView,
} from './schemas.ts';

/** Seconds after reveals in which sealed bids are executed, as the auction house has it. */
const FILL_SECONDS = 60;

function legViews(legs: readonly Leg[], underlyingId: bigint): LegView[] {
  const symbol = underlyingSymbolOf(underlyingId);
  return legs.map(({ instrument, quantity }) => ({
    instrument: symbol === undefined ? null : formatInstrument(symbol, instrument),
    kind: instrument.kind,
    expiryHour: instrument.expiryHour,
    strike: String(instrument.strike),
    quantity: String(quantity),
  }));
}

export function accountView(book: LiveBook, account: AccountRecord): AccountView {
  const opening = book.opening(account);
  const legs = book.legs(account);
  const risk = book.risk(account);
  const round = book.market(account.underlyingId)?.record.number;
  const { scale } = account;
  return {
    accountId: String(account.accountId),
    owner: account.owner,
    underlying: underlyingSymbolOf(account.underlyingId) ?? null,
    underlyingId: String(account.underlyingId),
    nonce: String(account.nonce),
    commitment: String(account.commitment),
    scale: String(scale),
    cash: String(account.cash),
    collateral: String(account.collateral),
    movingCollateral: String(account.movingCollateral),
    saleCollateral: String(account.saleCollateral),
    inAuction: account.inAuction,
    block: String(account.block),
    opening: {
      status: scale === 0n ? 'none' : (opening?.status ?? 'missing'),
      ...(opening?.reason !== undefined && { reason: opening.reason }),
    },
    ...(legs !== undefined && { legs: legViews(legs, account.underlyingId) }),
    // Legs are known only where an event has published them, with their salt.
    ...(legs !== undefined && opening?.salt !== undefined && { salt: String(opening.salt) }),
    ...(risk !== undefined && round !== undefined && { risk: riskView(risk, round) }),
  };
}

function riskView(risk: AccountRisk, round: bigint): NonNullable<AccountView['risk']> {
  const { tier, exact, equity, worth, requirement, mark, shortfall, ratio, nearness, problem } = risk;
  return {
    tier,
    round: String(round),
    exact,
    equity: String(equity),
    worth: String(worth),
    requirement: String(requirement),
    mark: String(mark),
    shortfall: String(shortfall),
    ratio: Number.isFinite(ratio) ? ratio : null,
    ...(nearness !== undefined && { near: nearness }),
    ...(problem !== undefined && { problem: { code: problem.code, message: problem.message } }),
  };
}

/** The exact margin of a monitored account. @throws ZkMarginError as `RiskMonitor.margin` */
export function accountMarginView(market: BookMarket, account: AccountRecord): MarginView {
  const margin = market.monitor.margin(account.accountId);
  const { mark, requirement } = margin;
  const { cash, collateral, saleCollateral } = account;
  const equity = equityOf({ cash, collateral, mark });
  const worth = worthOf({ cash, saleCollateral, mark });
  const initial = requirement * BigInt(market.terms.initialLevel);
  return {
    ...marginView(margin, market.parameters),
    accountId: String(account.accountId),
    round: String(market.record.number),
    parametersVersion: String(market.parametersRecord.version),
    tier: tierOfFigures(equity, worth, requirement, tierThresholds(market.terms)),
    cash: String(account.cash),
    collateral: String(account.collateral),
    movingCollateral: String(account.movingCollateral),
    saleCollateral: String(account.saleCollateral),
    equity: String(equity),
    worth: String(worth),
    // Rounded up, against the account.
    initialRequirement: String((initial + 4_095n) / 4_096n),
  };
}

/** Evaluations on each side of the spot after which the search for liquidation prices gives up. */
const MOST_EVALUATIONS = 1_024;

/** Where the status of a monitored account changes. @throws ZkMarginError as `RiskMonitor.liquidationPrices` */
export function accountPricesView(market: BookMarket, account: AccountRecord): LiquidationPricesView {
  const prices = market.monitor.liquidationPrices(account.accountId, { limit: MOST_EVALUATIONS });
  return {
    ...(liquidationPricesView(prices) as Omit<LiquidationPricesView, 'accountId' | 'round' | 'spot'>),
    accountId: String(account.accountId),
    round: String(market.record.number),
    spot: String(market.record.spot),
  };
}

export function roundView(round: RoundRecord): RoundView {
  return {
    underlying: underlyingSymbolOf(round.underlyingId) ?? null,
    underlyingId: String(round.underlyingId),
    number: String(round.number),
    timestamp: String(round.timestamp),
    spot: String(round.spot),
    volatilityIndex: String(round.volatility),
    underlyingWord: String(round.underlyingWord),
    expiryWords: round.expiryWords.map(String),
    woundDown: round.woundDown,
    block: String(round.block),
  };
}

export function marketView(market: BookMarket): MarketDataView {
  const { record, proofExpiry, pending, parametersRecord, parameters, terms } = market;
  const { header, scenarioWords } = packParameters(parameters);
  return {
    round: roundView(record),
    proofExpiry: String(proofExpiry),
    ...(pending !== undefined && {
      pending: { timestamp: String(pending.timestamp), spot: String(pending.spot) },
    }),
    parametersVersion: String(parametersRecord.version),
    parametersCommitment: String(parametersRecord.commitment),
    parameters: { header: String(header), scenarioWords: scenarioWords.map(String) },
    terms: {
      ...terms,
      penaltyBps: [...terms.penaltyBps],
      atomicLimit: String(terms.atomicLimit),
      tip: String(terms.tip),
    },
  };
}

/** Plans of accounts far down the ranking, by their rows: a row is of one round and one state of the account. */
const laterPlans = new WeakMap<AccountRisk, LiquidationPlan | null>();

/** Of accounts far down the ranking the monitor makes no plan beforehand. */
function planOf(monitor: RiskMonitor, risk: AccountRisk): LiquidationPlan | undefined {
  if (risk.plan !== undefined) return risk.plan;
  let plan = laterPlans.get(risk);
  if (plan === undefined) {
    plan = monitor.plan(risk.id) ?? null;
    laterPlans.set(risk, plan);
  }
  return plan ?? undefined;
}

/** Undefined for an account that no proof can be made of: too many legs, or figures that are not exact. */
export function liquidationView(
  book: LiveBook,
  { market, account, risk }: ReturnType<LiveBook['candidates']>[number],
): LiquidationView | undefined {
  const legs = book.legs(account);
  const capacity = legs && book.capacity(legs.length);
  const plan = capacity === undefined ? undefined : planOf(market.monitor, risk);
  if (legs === undefined || capacity === undefined || plan === undefined) return undefined;
  const { terms } = market;
  const startFeeDue =
    account.feeChargedAt === 0n || book.timestamp >= account.feeChargedAt + BigInt(terms.coolOffSeconds);
  const rewards = [
    plan.atomic.open ? plan.atomic.amounts.reward : 0n,
    plan.auction.open && startFeeDue ? plan.auction.amounts.reward : 0n,
  ];
  const { target, minimalScale, minimalFraction, worstScenario, atomic, backstop, auction, takeover } = plan;
  return {
    accountId: String(account.accountId),
    underlying: underlyingSymbolOf(account.underlyingId) ?? null,
    underlyingId: String(account.underlyingId),
    status: plan.worth > 0n ? 'liquidatable' : 'badDebt',
    nonce: String(account.nonce),
    commitment: String(account.commitment),
    scale: String(account.scale),
    cash: String(account.cash),
    collateral: String(account.collateral),
    movingCollateral: String(account.movingCollateral),
    saleCollateral: String(account.saleCollateral),
    mark: String(plan.mark),
    requirement: String(plan.requirement),
    baseRequirement: String(plan.baseRequirement),
    collateralSlope: String(plan.collateralSlope),
    equity: String(plan.equity),
    worth: String(plan.worth),
    shortfall: String(plan.requirement - plan.equity),
    round: String(market.record.number),
    proofExpiry: String(market.proofExpiry),
    capacity,
    legs: legViews(legs, account.underlyingId),
    startFeeDue,
    expectedProfit: String(rewards[0]! > rewards[1]! ? rewards[0] : rewards[1]),
    plan: {
      target: String(target),
      minimalScale: String(minimalScale),
      minimalFraction,
      worstScenario,
      atomic: routeView(atomic),
      backstop: routeView(backstop),
      auction: auction.open
        ? {
            open: true,
            amounts: {
              ...plain(auction.amounts),
              startFactorBps: terms.startFactorBps,
              cuspFactorBps: terms.cuspFactorBps,
            },
          }
        : { open: false, reason: auction.reason },
      takeover: routeView(takeover),
    },
  };
}

function routeView<T>(route: { open: true; amounts: T } | { open: false; reason: string }) {
  return route.open
    ? { open: true as const, amounts: plain(route.amounts) }
    : { open: false as const, reason: route.reason };
}

/** @param sales bids and takeovers of the auction, when they are to be shown */
export function auctionView(
  book: LiveBook,
  auction: AuctionRecord,
  sales?: readonly SaleRecord[],
): AuctionView {
  const { figures, accountId } = auction;
  const account = book.account(accountId);
  const legs = account && auction.running ? book.legs(account) : undefined;
  const capacity = legs && book.capacity(legs.length);
  const text = (name: string): string => String(figures[name] ?? '0');
  const number = (name: string): bigint => BigInt(text(name));
  const insolventSince = number('insolventSince');
  const stageEnd =
    number('commitSeconds') === 0n
      ? 0n
      : number('start') + number('commitSeconds') + number('revealSeconds') + BigInt(FILL_SECONDS);
  const terms = figures.terms as Figures;
  return {
    accountId: String(accountId),
    underlying: underlyingSymbolOf(account?.underlyingId ?? 0n) ?? null,
    underlyingId: String(account?.underlyingId ?? 0n),
    number: String(auction.number),
    running: auction.running,
    ...(auction.endReason !== undefined && { endReason: auction.endReason }),
    ...(auction.keeper !== undefined && { keeper: auction.keeper }),
    commitment: String(account?.commitment ?? 0n),
    scale: String(account?.scale ?? 0n),
    cash: String(account?.cash ?? 0n),
    collateral: String(account?.collateral ?? 0n),
    movingCollateral: String(account?.movingCollateral ?? 0n),
    saleCollateral: String(account?.saleCollateral ?? 0n),
    ...recordedFigures(auction, account),
    reserved: text('reserved'),
    round: text('round'),
    provenAt: text('provenAt'),
    proven: {
      mark: text('mark'),
      baseRequirement: text('baseRequirement'),
      collateralSlope: text('collateralSlope'),
      scale: text('baseScale'),
    },
    startNonce: text('startNonce'),
    start: text('start'),
    publicStart: text('publicStart'),
    ...(insolventSince !== 0n && {
      subsidyFrom: String(insolventSince > stageEnd ? insolventSince : stageEnd),
    }),
    superseded:
      auction.running && account !== undefined && account.nonce !== number('startNonce') + number('moves'),
    terms: terms as unknown as AuctionView['terms'],
    ...(capacity !== undefined && { capacity }),
    ...(legs !== undefined && account !== undefined && { legs: legViews(legs, account.underlyingId) }),
    ...(sales !== undefined && {
      sales: sales.map((sale) => ({
        kind: sale.kind,
        vesselId: String(sale.vesselId),
        taker: sale.taker,
        round: String(sale.round),
        block: String(sale.block),
        transactionHash: sale.transactionHash,
        figures: sale.figures,
      })),
    }),
  };
}

/** What a running auction's recorded proof says of the account as it stands, 1e-6 USD; 0 after the end. */
function recordedFigures(
  { running, figures }: AuctionRecord,
  account: AccountRecord | undefined,
): Pick<AuctionView, 'requirement' | 'equity' | 'worth'> {
  if (!running || account === undefined || account.scale === 0n) {
    return { requirement: '0', equity: '0', worth: '0' };
  }
  const proven = {
    mark: BigInt(String(figures.mark)),
    baseRequirement: BigInt(String(figures.baseRequirement)),
    collateralSlope: BigInt(String(figures.collateralSlope)),
    scale: BigInt(String(figures.baseScale)),
  };
  const { mark, baseRequirement, collateralSlope } = atScale(proven, account.scale);
  const { cash, collateral, movingCollateral, saleCollateral } = account;
  return {
    requirement: String(requirementWith(baseRequirement, collateralSlope, movingCollateral)),
    equity: String(equityOf({ cash, collateral, mark })),
    worth: String(worthOf({ cash, saleCollateral, mark })),
  };
}
