/** One webhook: its address, its signature, one attempt. */
import { createHash, createHmac } from 'node:crypto';
import { ZkMarginError } from '../../errors.ts';

/** A webhook. Its URL may be a secret: only the host is told to anyone. */
export interface Webhook {
  readonly url: string;
  /** Host and port. */
  readonly host: string;
  /** Digest of the URL, by which deliveries are kept. */
  readonly digest: string;
}

/** Headers of a delivery, beside the usual ones. */
const TIMESTAMP_HEADER = 'zkmargin-timestamp';
/** Holds `v1=` and the signature, when a secret is set. */
const SIGNATURE_HEADER = 'zkmargin-signature';

/** How an attempt ended. */
export type Attempt =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** As in `503`, `TIMEOUT`, `ECONNREFUSED`, `REDIRECT`. */
      readonly cause: string;
      /** Milliseconds that the receiver asks to wait. */
      readonly retryAfterMs?: number;
    };

/** A receiver cannot keep its alerts waiting for longer than this. */
const MAX_RETRY_AFTER_MS = 600_000;

/**
 * Reads the URL of a webhook.
 *
 * @throws ZkMarginError `MALFORMED`, without the URL
 */
export function readWebhook(text: string, index = 0): Webhook {
  const field = `alerts.webhooks[${index}]`;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ZkMarginError('MALFORMED', 'Give each webhook as an http or https URL.', { field });
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new ZkMarginError('MALFORMED', 'Give each webhook as an http or https URL.', { field });
  }
  if (url.username !== '' || url.password !== '') {
    throw new ZkMarginError(
      'MALFORMED',
      'Leave user and password out of the URL of a webhook; verify signatures instead.',
      { field },
    );
  }
  url.hash = '';
  const digest = createHash('sha256').update(url.href).digest('hex');
  return { url: url.href, host: url.host, digest };
}

/**
 * Signature of a body: HMAC-SHA256 of `<timestamp>.<body>` as hex digits after `v1=`.
 *
 * @param timestamp seconds since 1970-01-01 UTC, as the header has it
 */
function signatureOf(secret: string, timestamp: string, body: string): string {
  return `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
}

/** What is sent. */
export interface Post {
  readonly body: string;
  readonly idempotencyKey: string;
  readonly secret?: string | undefined;
  readonly timeoutMs: number;
  /** Seconds since 1970-01-01 UTC. */
  readonly timestamp: number;
}

/** One attempt. Redirects are not followed: they would carry alerts to who was not configured. Never throws but for the signal. */
export async function post(webhook: Webhook, message: Post, signal: AbortSignal): Promise<Attempt> {
  const { body, idempotencyKey, secret, timeoutMs, timestamp } = message;
  const seconds = String(timestamp);
  const timeout = AbortSignal.timeout(timeoutMs);
  let response: Response;
  try {
    response = await fetch(webhook.url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'zkmargin',
        'idempotency-key': idempotencyKey,
        [TIMESTAMP_HEADER]: seconds,
        ...(secret !== undefined && { [SIGNATURE_HEADER]: signatureOf(secret, seconds, body) }),
      },
      body,
      signal: AbortSignal.any([signal, timeout]),
    });
  } catch (error) {
    signal.throwIfAborted();
    return { ok: false, cause: timeout.aborted ? 'TIMEOUT' : causeOf(error) };
  }
  // What it says is of no interest, and may be endless.
  await response.body?.cancel().catch(() => undefined);
  if (response.ok) return { ok: true };
  if (response.status >= 300 && response.status < 400) return { ok: false, cause: 'REDIRECT' };
  const retryAfterMs = retryAfterOf(response);
  return { ok: false, cause: String(response.status), ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

function retryAfterOf(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(1_000 * seconds, MAX_RETRY_AFTER_MS) : undefined;
}

/** A code of the socket's error, which holds no address. */
function causeOf(error: unknown): string {
  const { code } = ((error as { cause?: unknown } | null)?.cause ?? {}) as { code?: unknown };
  return typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? code : 'NETWORK';
}
