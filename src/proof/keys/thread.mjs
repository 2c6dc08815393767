// Entry of a worker thread: registers the TypeScript loader, which threads do not inherit, then runs the module.
import { workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
await import(workerData.entry);
