/** The client of the service, and the documents of its API that callers take apart. */
export type { LegView } from '../service/book/schemas.ts';
export type { JobView } from '../service/schemas.ts';
export { type PageOptions, type ServerEvent, ServiceClient, type ServiceClientOptions } from './client.ts';
