/** The keeper: what a command needs to run one. */
export { KeeperError, type KeeperErrorCode } from './errors.ts';
export type { KeeperEvent } from './events.ts';
export type { KeeperFeed } from './feed.ts';
export { type KeeperOptions, type RunningKeeper, runKeeper } from './keeper.ts';
export { type KeySource, keySourceFromEnvironment, loadKeeperAccount } from './keys.ts';
export { DEFAULT_STRATEGY } from './strategy/configuration.ts';
export type { StrategyConfiguration } from './strategy/decide.ts';
export { FileJournal } from './transactions/file-journal.ts';
