/** The HTTP service: statements in, verified proofs out. */
import swagger from '@fastify/swagger';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyServerOptions,
  type FastifyTypeProvider,
} from 'fastify';
import type { Groth16VerificationKey } from 'snarkjs';
import { type Static, type TSchema, Type } from 'typebox';
import { requireInteger, ZkMarginError } from '../errors.ts';
import type { JobRecord, JobStore } from '../store/job-store.ts';
import { MemoryJobStore } from '../store/memory-job-store.ts';
import { PROBLEM_TYPE, problemOf, problemOfRequest } from './problems.ts';
import { ProofJobs, type Prover } from './proof-jobs.ts';
import { prepareProof, verificationKeyDigest } from './request.ts';
import {
  HealthSchema,
  INSOLVENCY_CIRCUIT,
  JobParamsSchema,
  JobQuerySchema,
  JobSchema,
  type JobView,
  type Problem,
  ProblemSchema,
  ProofRequestSchema,
} from './schemas.ts';

/** Largest body of a request, in bytes. */
export const BODY_LIMIT = 65_536;
/** What a client that meets a full queue is told to wait, in seconds. */
export const RETRY_AFTER_SECONDS = 5;

/** Options of {@link buildService}. */
export interface ServiceOptions {
  /** Makes proofs and verifies them. The service closes it when it is closed itself. */
  readonly prover: Prover;
  /** Circuits that the prover has, with their verification keys. `insolvency-8` must be among them. */
  readonly circuits: readonly { readonly name: string; readonly verificationKey: Groth16VerificationKey }[];
  /** Where jobs are kept; in memory unless given, so that a restart forgets them. */
  readonly store?: JobStore;
  /** Unfinished jobs at most; more are refused with 503. Default 64. */
  readonly maxActive?: number;
  /** Milliseconds that a job may take, waiting included. Default 120,000. */
  readonly maxJobMs?: number;
  /** Requests that may wait for jobs at a time. Default 256. */
  readonly maxWaiting?: number;
  /** Milliseconds that running jobs have when the service is closed. Default 5,000. */
  readonly closeGraceMs?: number;
  /** Further reasons for which the service is not ready, such as keys that are being loaded. */
  readonly notReady?: () => readonly string[];
  /** Fastify's logger; none unless given. Bodies are never logged. */
  readonly logger?: FastifyServerOptions['logger'];
  /** Clock, in milliseconds; `Date.now` unless given. */
  readonly now?: () => number;
}

interface TypeBoxProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

const problemAnswer = (description: string) => ({
  description,
  content: { [PROBLEM_TYPE]: { schema: ProblemSchema } },
});
const PROBLEMS = { '4xx': problemAnswer('The request'), '5xx': problemAnswer('The service') };

/**
 * The service as a Fastify instance that does not listen yet.
 *
 * @throws ZkMarginError for senseless options
 */
export function buildService(options: ServiceOptions): FastifyInstance {
  const now = options.now ?? Date.now;
  if (!options.circuits.some(({ name }) => name === INSOLVENCY_CIRCUIT)) {
    throw new ZkMarginError('KEY_MISSING', `Give the prover the circuit ${INSOLVENCY_CIRCUIT}.`, {
      field: 'circuits',
    });
  }
  const jobs = new ProofJobs({
    prover: options.prover,
    store: options.store ?? new MemoryJobStore({ now }),
    keyDigests: new Map(
      options.circuits.map(({ name, verificationKey }) => [name, verificationKeyDigest(verificationKey)]),
    ),
    maxActive: requireInteger(options.maxActive ?? 64, 1, 512, 'maxActive'),
    maxJobMs: requireInteger(options.maxJobMs ?? 120_000, 1, 86_400_000, 'maxJobMs'),
    maxWaiting: requireInteger(options.maxWaiting ?? 256, 0, 65_536, 'maxWaiting'),
    now,
  });

  const app = Fastify({
    logger: options.logger ?? false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    // The service's own refusal is a problem document.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    ajv: {
      customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, verbose: true },
    },
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply as unknown as FastifyReply, problemOfRequest(error));
    },
    clientErrorHandler: (error, socket) => {
      const timeout = 'code' in error && error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
      const message = timeout ? 'Send the whole request sooner.' : 'Send a well-formed HTTP request.';
      const problem = problemOf(
        new ZkMarginError(timeout ? 'TIMEOUT' : 'MALFORMED', message, { field: 'request' }),
        timeout ? 408 : 400,
      );
      const text = JSON.stringify(problem);
      const head = `HTTP/1.1 ${problem.status} ${timeout ? 'Request Timeout' : 'Bad Request'}`;
      if (socket.writable) {
        socket.write(
          `${head}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
        );
      }
      socket.destroy();
    },
  });
  app.removeContentTypeParser('text/plain');

  app.setErrorHandler((error, request, reply) => {
    const problem = problemOfRequest(error);
    // Of an unexpected error its kind and place, not its message: that could hold inputs.
    if (problem.status === 500) request.log.error(placeOf(error), 'request failed');
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((_request, reply) =>
    sendProblem(reply, problemOf(new ZkMarginError('NOT_FOUND', 'Use a path and method of /openapi.json.'))),
  );
  app.addHook('preClose', () => jobs.close(options.closeGraceMs));

  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'zkmargin',
        description: 'Proofs of insolvency for margin accounts of options',
        version: '1',
      },
    },
  });
  app.register(async (instance) => {
    const routes = instance.withTypeProvider<TypeBoxProvider>();

    routes.post(
      '/v1/proofs',
      {
        schema: {
          summary: 'Ask for a proof',
          description: 'The same statement asked for twice is one job.',
          body: ProofRequestSchema,
          response: {
            200: { description: 'The job exists', ...JobSchema },
            202: { description: 'The job is accepted', ...JobSchema },
            ...PROBLEMS,
          },
        },
      },
      async (request, reply) => {
        const { record, created } = await jobs.submit(await prepareProof(request.body, now()));
        const view = jobView(record);
        return reply
          .code(created ? 202 : 200)
          .header('location', view.links.self)
          .send(view);
      },
    );

    routes.get(
      '/v1/proofs/:id',
      {
        schema: {
          summary: 'A job and, when it is done, its proof',
          params: JobParamsSchema,
          querystring: JobQuerySchema,
          response: { 200: JobSchema, ...PROBLEMS },
        },
      },
      async (request, reply) => {
        const gone = new AbortController();
        const abort = () => gone.abort();
        reply.raw.once('close', abort);
        const { id } = request.params;
        try {
          const record = await jobs.get(id, Number(request.query.wait ?? 0) * 1000, gone.signal);
          if (record === undefined) throw noJob();
          return jobView(record);
        } finally {
          reply.raw.removeListener('close', abort);
        }
      },
    );

    routes.delete(
      '/v1/proofs/:id',
      {
        schema: {
          summary: 'Cancel a job, or forget a finished one',
          params: JobParamsSchema,
          response: { 204: Type.Null({ description: 'Cancelled or forgotten' }), ...PROBLEMS },
        },
      },
      async (request, reply) => {
        if (!(await jobs.remove(request.params.id))) throw noJob();
        return reply.code(204).send(null);
      },
    );

    routes.get(
      '/livez',
      { schema: { summary: 'Whether the process answers', response: { 200: HealthSchema } } },
      async () => ({ status: 'ok' }),
    );

    routes.get(
      '/readyz',
      {
        schema: {
          summary: 'Whether jobs are accepted, and if not, why',
          response: { 200: HealthSchema, ...PROBLEMS },
        },
      },
      async (_request, reply) => {
        const reasons = [...jobs.refusals(), ...(options.notReady?.() ?? [])];
        if (reasons.length === 0) {
          return { status: 'ready', ...(jobs.backend !== undefined && { backend: jobs.backend }) };
        }
        const problem = problemOf(new ZkMarginError('BUSY', `Not ready: ${reasons.join(', ')}.`));
        return sendProblem(reply as unknown as FastifyReply, { ...problem, reasons });
      },
    );

    instance.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  });
  return app;
}

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.status === 503) reply.header('retry-after', String(RETRY_AFTER_SECONDS));
  return reply.code(problem.status).type(PROBLEM_TYPE).send(problem);
}

function noJob(): ZkMarginError {
  return new ZkMarginError('NOT_FOUND', 'Ask for the proof again: there is no such job, or it has expired.', {
    field: 'id',
  });
}

function jobView(record: JobRecord): JobView {
  const self = `/v1/proofs/${record.id}`;
  const { result, error } = record;
  return {
    id: record.id,
    circuit: record.circuit,
    state: record.state,
    ...(record.state === 'proving' && record.stage !== undefined && { progress: { stage: record.stage } }),
    createdAt: new Date(record.createdAt).toISOString(),
    deadline: new Date(record.deadline).toISOString(),
    ...(record.finishedAt !== undefined && { finishedAt: new Date(record.finishedAt).toISOString() }),
    ...(result !== undefined && { result: { ...result, publicSignals: [...result.publicSignals] } }),
    ...(error !== undefined && { error: { ...error } }),
    links: { self, wait: `${self}?wait=60` },
  };
}

function placeOf(error: unknown): { name: string; place: string[] } {
  if (!(error instanceof Error)) return { name: typeof error, place: [] };
  const lines = (error.stack ?? '').split('\n').map((line) => line.trim());
  return { name: error.name, place: lines.filter((line) => /^at .*:\d+:\d+\)?$/.test(line)).slice(0, 8) };
}
