/** Errors of keepers. */

/** Stable reasons of a {@link KeeperError}. */
export type KeeperErrorCode =
  /** No key is configured, or several are. */
  | 'KEY_NOT_CONFIGURED'
  /** The file of the key cannot be read. */
  | 'KEY_UNREADABLE'
  /** Others than the owner may read the file of the key. */
  | 'KEY_FILE_EXPOSED'
  /** What should be a key or a keystore is none. */
  | 'KEY_MALFORMED'
  /** The keystore's password is wrong, or its content was changed. */
  | 'KEY_PASSWORD_WRONG'
  /** The RPC serves another chain than the configured one. */
  | 'WRONG_CHAIN'
  /** The feed knows the chain as it was some time ago. */
  | 'STALE_FEED'
  /** The feed knows blocks that the RPC does not have yet. */
  | 'RPC_BEHIND'
  /** The last pass of a loop failed. */
  | 'PASS_FAILED'
  /** Another process uses the journal. */
  | 'JOURNAL_LOCKED'
  /** The journal has transactions of another chain, or of another key. */
  | 'JOURNAL_FOREIGN'
  /** The journal cannot be read as one. */
  | 'JOURNAL_MALFORMED'
  /** The sender has been stopped. */
  | 'STOPPED';

/** The first line of an error's text, for events and journals: errors of nodes repeat the request below. */
export function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.slice(0, 300);
}

/** An error of a keeper, with a stable {@link KeeperErrorCode}. Its text never holds keys or passwords. */
export class KeeperError extends Error {
  readonly code: KeeperErrorCode;
  /** Further figures, for logs. */
  readonly details: Readonly<Record<string, string | number>>;

  constructor(
    code: KeeperErrorCode,
    message: string,
    details: Readonly<Record<string, string | number>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'KeeperError';
    this.code = code;
    this.details = details;
  }
}
