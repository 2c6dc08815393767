/** The chain's events and states, followed into the store. */
export {
  contractsOfBook,
  deploymentDigest,
  firstBlockOf,
  INDEXED_ROLES,
  type IndexedContracts,
} from './contracts.ts';
export {
  ENDPOINT_CONDITIONS,
  type EndpointCondition,
  EndpointPool,
  type EndpointStatus,
} from './endpoints.ts';
export { Indexer, type IndexerOptions, type IndexerStatus, type IndexerStep } from './indexer.ts';
