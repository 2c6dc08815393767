/** `/v1/keepers`: for whom proofs are made before they are asked for. */
import { Type } from 'typebox';
import { ZkMarginError } from '../../errors.ts';
import { KeeperInterestSchema, KeeperParamsSchema, KeeperViewSchema } from '../book/schemas.ts';
import { type InterestedKeepers, PROOF_PURPOSES } from '../speculation/keepers.ts';
import { PROBLEMS, type Routes } from './shared.ts';

/** Adds the routes. */
export function keeperRoutes(routes: Routes, keepers: InterestedKeepers): void {
  routes.put(
    '/v1/keepers/:address',
    {
      schema: {
        summary: 'Have proofs made for a keeper before it asks',
        description:
          'While nothing else is to be proven, accounts below their requirement are proven for this keeper at each round. Asking for ' +
          'such a proof then answers 200. Who asks for proofs of accounts need not register.',
        params: KeeperParamsSchema,
        body: KeeperInterestSchema,
        response: { 200: KeeperViewSchema, ...PROBLEMS },
      },
    },
    async ({ params, body, client }) => {
      const { address, purposes, expires } = keepers.register(
        params.address,
        body.purposes ?? PROOF_PURPOSES,
        client,
      );
      return { address, purposes: [...purposes], expiresAt: new Date(expires).toISOString() };
    },
  );

  routes.delete(
    '/v1/keepers/:address',
    {
      schema: {
        summary: 'Have no more proofs made for a keeper beforehand',
        params: KeeperParamsSchema,
        response: { 204: Type.Null({ description: 'None is made' }), ...PROBLEMS },
      },
    },
    async ({ params, client }, reply) => {
      if (!keepers.remove(params.address, client)) {
        throw new ZkMarginError('NOT_FOUND', 'Use the address of a keeper that you have registered.', {
          field: 'address',
        });
      }
      return reply.code(204).send(null);
    },
  );
}
