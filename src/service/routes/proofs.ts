/** `/v1/proofs`: jobs from their acceptance to their end. */
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { ZkMarginError } from '../../errors.ts';
import type { JobRecord } from '../../store/job.ts';
import type { ProofJobs } from '../proof-jobs.ts';
import { prepareProof } from '../requests/index.ts';
import { JobParamsSchema, JobQuerySchema, JobSchema, type JobView, ProofRequestSchema } from '../schemas.ts';
import { PROBLEMS, type Routes, SUBMISSIONS, submitted } from './shared.ts';

/** Between comments of an event stream, in milliseconds. */
const EVENT_PULSE_MS = 15_000;
/** Bytes that a slow reader of events may leave unread. */
const EVENT_BACKLOG_BYTES = 1_048_576;

/** What the routes work with. */
export interface ProofRoutesOptions {
  readonly jobs: ProofJobs;
  /** Names of the circuits that are served. */
  readonly served: ReadonlySet<string>;
  /** Milliseconds since 1970-01-01 UTC, by the clock that judges deadlines. */
  readonly now: () => number | Promise<number>;
}

/** Adds the routes. */
export function proofRoutes(routes: Routes, { jobs, served, now }: ProofRoutesOptions): void {
  routes.post(
    '/v1/proofs',
    {
      schema: {
        summary: 'Ask for a proof',
        description:
          'The same statement asked for twice is one job, which is claimed by all API keys that asked for it. A key may have so many ' +
          'unfinished jobs at a time; more answer 429 with SHARE_EXCEEDED.',
        body: ProofRequestSchema,
        response: { ...SUBMISSIONS, ...PROBLEMS },
      },
    },
    async (request, reply) => {
      const { body, client } = request;
      const time = body.deadline === undefined ? 0 : await now();
      const { record, created } = await jobs.submit(await prepareProof(body, { served, now: time }), client);
      return submitted(reply, jobView(record), created);
    },
  );

  routes.get(
    '/v1/proofs/:id',
    {
      schema: {
        summary: 'A job and, when it is done, its proof',
        description:
          'Whoever knows the id may read it: it is a digest of what the proof makes public. With `wait` the answer comes at once when too ' +
          'many requests wait, of all or of this API key.',
        params: JobParamsSchema,
        querystring: JobQuerySchema,
        response: { 200: JobSchema, ...PROBLEMS },
      },
    },
    async (request, reply) => {
      const gone = new AbortController();
      const abort = () => gone.abort();
      reply.raw.once('close', abort);
      if (reply.raw.destroyed) abort();
      const { client, params, query } = request;
      try {
        const record = await jobs.get(params.id, client, Number(query.wait ?? 0) * 1000, gone.signal);
        if (record === undefined) throw noJob();
        return jobView(record);
      } finally {
        reply.raw.removeListener('close', abort);
      }
    },
  );

  routes.get(
    '/v1/proofs/:id/events',
    {
      schema: {
        summary: 'What happens to a job, as server-sent events',
        description:
          'Each event `job` holds the job as it is then; the last one is of its end. A comment now and then shows that the service lives.',
        params: JobParamsSchema,
        response: {
          200: { description: 'Events', content: { 'text/event-stream': { schema: Type.String() } } },
          ...PROBLEMS,
        },
      },
    },
    async (request, reply) => {
      const gone = new AbortController();
      const events = jobs.changes(request.params.id, request.client, gone.signal);
      // Before anything is answered, so that a job that is not there is told as everywhere.
      const first = await events.next();
      if (first.done) throw noJob();
      reply.hijack();
      await sendEvents(reply as unknown as FastifyReply, gone, first.value, events);
    },
  );

  routes.delete(
    '/v1/proofs/:id',
    {
      schema: {
        summary: 'Take back the claim of a job',
        description:
          'A job that no API key claims any more is cancelled, or forgotten when it is finished. A key that did not ask for it is ' +
          'answered 403.',
        params: JobParamsSchema,
        response: { 204: Type.Null({ description: 'Not claimed any more by this API key' }), ...PROBLEMS },
      },
    },
    async (request, reply) => {
      if (!(await jobs.withdraw(request.params.id, request.client))) throw noJob();
      return reply.code(204).send(null);
    },
  );
}

/** Writes events until the job's end, or until the client is gone or does not read. */
async function sendEvents(
  reply: FastifyReply,
  gone: AbortController,
  first: JobRecord,
  events: AsyncGenerator<JobRecord>,
): Promise<void> {
  const { raw } = reply;
  const leave = () => gone.abort();
  raw.once('close', leave);
  raw.once('error', leave);
  // It may have gone while the job was looked for.
  if (raw.destroyed) leave();
  const write = (text: string) => {
    // What a client does not take is not piled up for it.
    if (!raw.write(text) && raw.writableLength > EVENT_BACKLOG_BYTES) raw.destroy();
  };
  const event = (record: JobRecord) => write(`event: job\ndata: ${JSON.stringify(jobView(record))}\n\n`);
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  const pulse = setInterval(() => write(': waiting\n\n'), EVENT_PULSE_MS);
  try {
    event(first);
    for await (const record of events) event(record);
  } catch {
    // The client connects again and learns from the next answer what is wrong.
  } finally {
    clearInterval(pulse);
    raw.end();
  }
}

function noJob(): ZkMarginError {
  return new ZkMarginError('NOT_FOUND', 'Ask for the proof again: there is no such job, or it has expired.', {
    field: 'id',
  });
}

/** A job as it is shown. */
export function jobView(record: JobRecord): JobView {
  const self = `/v1/proofs/${record.id}`;
  const { result, error, figures, causes } = record;
  return {
    id: record.id,
    circuit: record.circuit,
    state: record.state,
    priority: record.priority,
    attempts: record.attempts,
    ...(causes.length > 0 && {
      causes: causes.map(({ code, message, at }) => ({ code, message, at: new Date(at).toISOString() })),
    }),
    ...(record.state === 'proving' && record.stage !== undefined && { progress: { stage: record.stage } }),
    createdAt: new Date(record.createdAt).toISOString(),
    deadline: new Date(record.deadline).toISOString(),
    ...(record.finishedAt !== undefined && { finishedAt: new Date(record.finishedAt).toISOString() }),
    ...(result !== undefined && {
      result: { ...result, publicSignals: [...result.publicSignals], ...figures },
    }),
    ...(error !== undefined && { error: { ...error } }),
    links: { self, wait: `${self}?wait=60`, events: `${self}/events` },
  };
}
