import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { type AccessOptions, apiKeysOf, guard, readApiKeys } from './access.ts';
import { problemOfRequest } from './problems.ts';

const READER = 'reader-token-0123456789';
const PROVER = 'prover-token-0123456789';
const KEYS = `# who may do what\nreader read ${READER}\n\nkeeper read,prove ${PROVER}\n`;

let app: FastifyInstance;
afterEach(() => app?.close());

async function start(options: AccessOptions): Promise<void> {
  app = Fastify();
  app.setErrorHandler((error, _request, reply) => {
    const problem = problemOfRequest(error);
    return reply.code(problem.status).send(problem);
  });
  app.register(async (instance) => {
    await guard(instance, options);
    for (const url of ['/livez', '/v1/accounts', '/v1/proofs/:id']) instance.get(url, async () => 'ok');
    for (const url of ['/v1/proofs', '/v1/accounts/:id/proofs', '/v1/margin', '/v1/verify']) {
      instance.post(url, async () => 'ok');
    }
    instance.delete('/v1/proofs/:id', async () => 'ok');
  });
  await app.ready();
}

async function status(
  method: 'GET' | 'HEAD' | 'POST' | 'DELETE',
  url: string,
  token?: string,
): Promise<number> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return (await app.inject({ method, url, headers })).statusCode;
}

describe('API keys', () => {
  it('let each do what its scopes name', async () => {
    await start({ keys: readApiKeys(KEYS) });
    expect(await status('GET', '/livez')).toBe(200);
    expect(await status('GET', '/v1/accounts')).toBe(401);
    expect(await status('GET', '/v1/accounts', `${READER}x`)).toBe(401);
    expect(await status('GET', '/v1/accounts', READER)).toBe(200);
    expect(await status('POST', '/v1/margin', READER)).toBe(200);
    expect(await status('POST', '/v1/verify', READER)).toBe(200);
    expect(await status('GET', '/v1/proofs/1', READER)).toBe(200);
    expect(await status('HEAD', '/v1/proofs/1', READER)).toBe(200);
    expect(await status('HEAD', '/v1/proofs/1')).toBe(401);
    for (const [method, url] of [
      ['POST', '/v1/proofs'],
      ['POST', '/v1/accounts/1/proofs'],
      ['DELETE', '/v1/proofs/1'],
    ] as const) {
      expect([url, await status(method, url, READER)]).toEqual([url, 403]);
      expect([url, await status(method, url, PROVER)]).toEqual([url, 200]);
    }
  });

  it('are not asked for when there are none', async () => {
    await start({});
    expect(await status('POST', '/v1/proofs')).toBe(200);
  });

  it('limit the rate of each by itself', async () => {
    await start({ keys: readApiKeys(KEYS), requestsPerMinute: 2 });
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(await status('GET', '/v1/accounts', READER));
    expect(answers).toEqual([200, 200, 429]);
    expect(await status('GET', '/v1/accounts', PROVER)).toBe(200);
    const refused = await app.inject({ url: '/v1/accounts', headers: { authorization: `Bearer ${READER}` } });
    expect(refused.json()).toMatchObject({ code: 'RATE_LIMITED', status: 429 });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(await status('GET', '/livez')).toBe(200);
  });

  it.each([
    'reader read short',
    'reader all 0123456789abcdef',
    'reader read',
    `a read ${READER} more`,
    ` read ${READER}`,
    `a\u0000 read ${READER}`,
    `${'a'.repeat(65)} read ${READER}`,
  ])('are refused when a line is none: %#', (line) => {
    const error = (() => {
      try {
        return readApiKeys(`\n${line}`);
      } catch (thrown) {
        return thrown as Error;
      }
    })();
    expect(error).toMatchObject({ code: 'MALFORMED' });
    expect(String((error as Error).message)).toContain('line 2');
    expect(String((error as Error).message)).not.toContain('0123');
  });

  it('have names of their own', () => {
    expect(() => readApiKeys(`a read ${READER}\n\na prove ${PROVER}`)).toThrow(
      expect.objectContaining({ code: 'CONFLICT', message: expect.stringContaining('line 3 a name') }),
    );
  });

  it('have tokens of their own, or two clients would be one', async () => {
    const error = (() => {
      try {
        return readApiKeys(`a read ${READER}\nb read ${PROVER}\nc prove ${READER}`);
      } catch (thrown) {
        return thrown as Error;
      }
    })();
    expect(error).toMatchObject({ code: 'CONFLICT', field: 'apiKeys' });
    expect((error as Error).message).toContain('line 3 a token');
    expect((error as Error).message).not.toContain(READER);
    // Nor are such keys taken from a program.
    const [first, second] = readApiKeys(KEYS);
    await expect(start({ keys: [first!, { ...second!, digest: first!.digest }] })).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    await expect(start({ keys: [{ ...first!, name: '' }] })).rejects.toMatchObject({ code: 'MALFORMED' });
  });

  it('are lines or stand behind semicolons, and an empty list does not open the service', () => {
    expect(apiKeysOf(`a read ${READER};b prove ${PROVER}`)).toHaveLength(2);
    expect(apiKeysOf(`a read ${READER}\n\n# b\nb prove ${PROVER}\n`)).toHaveLength(2);
    expect(() => apiKeysOf('# none')).toThrow('at least one');
  });
});
