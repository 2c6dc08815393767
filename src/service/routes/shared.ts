/** What all routes have in common. */
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyTypeProvider,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Static, TSchema } from 'typebox';
import { PROBLEM_TYPE, ProblemSchema } from '../../http/problem.ts';
import { JobSchema, type JobView } from '../schemas.ts';

/** Types of requests and answers from their schemas. */
export interface TypeBoxProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

/** An instance whose routes are typed by their schemas. */
export type Routes = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxProvider
>;

const problemAnswer = (description: string) => ({
  description,
  content: { [PROBLEM_TYPE]: { schema: ProblemSchema } },
});

/** Answers of every route when something is wrong. */
export const PROBLEMS = { '4xx': problemAnswer('The request'), '5xx': problemAnswer('The service') };

/** Answers of routes that a job is asked of. */
export const SUBMISSIONS = {
  200: { description: 'The job exists', ...JobSchema },
  202: { description: 'The job is accepted', ...JobSchema },
};

/** Tells whether a job that was asked for is a new one, and where it is. @returns the body of the answer */
export function submitted(
  reply: Pick<FastifyReply, 'code' | 'header'>,
  view: JobView,
  created: boolean,
): JobView {
  reply.code(created ? 202 : 200);
  reply.header('location', view.links.self);
  return view;
}
