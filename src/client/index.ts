/** The client of the service. */
export { type PageOptions, type ServerEvent, ServiceClient, type ServiceClientOptions } from './client.ts';
