/** Errors of deployments and local chains. */

/** Stable reasons of a {@link ChainError}. */
export type ChainErrorCode =
  /** No platform package of forge or anvil is installed. */
  | 'BINARY_MISSING'
  /** forge reported errors, or could not be run. */
  | 'BUILD_FAILED'
  /** The contracts have not been built, or the contract is not among them. */
  | 'ARTIFACT_MISSING'
  /** An artefact of the build cannot be read as one. */
  | 'ARTIFACT_MALFORMED'
  /** A library that a contract is linked against was not given. */
  | 'LIBRARY_MISSING'
  /** A verifier of a key that no public ceremony made was about to be deployed outside a local chain. */
  | 'DEVELOPMENT_KEY_REFUSED'
  /** There is no contract where a verifier should be. */
  | 'VERIFIER_MISSING'
  /** A transaction of the deployment was reverted. */
  | 'DEPLOYMENT_FAILED'
  /** An address book cannot be read as one. */
  | 'ADDRESS_BOOK_MALFORMED'
  /** The wallet's chain is not the one that was meant. */
  | 'WRONG_CHAIN'
  /** On a public chain somebody other than the deployer must own the contracts. */
  | 'GOVERNANCE_MISSING'
  /** On a public chain the settlement asset must be named. */
  | 'ASSET_MISSING'
  /** A verifier that was about to be deployed has not the ceremony's key of its circuit. */
  | 'VERIFIER_MISMATCH'
  /** A deployed verifier accepts a forgery. */
  | 'VERIFIER_FORGEABLE'
  /** The local chain did not start, or ended too early. */
  | 'ANVIL_FAILED';

/** An error of deployments and local chains, with a stable {@link ChainErrorCode}. */
export class ChainError extends Error {
  readonly code: ChainErrorCode;
  /** Further figures, for logs. */
  readonly details: Readonly<Record<string, string | number>>;

  constructor(
    code: ChainErrorCode,
    message: string,
    details: Readonly<Record<string, string | number>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'ChainError';
    this.code = code;
    this.details = details;
  }
}

/** A verifier whose key was made with known secrets must not judge proofs where money is. */
export class DevelopmentKeyError extends ChainError {
  declare readonly code: 'DEVELOPMENT_KEY_REFUSED';

  constructor(chainId: number, verifier: string) {
    super(
      'DEVELOPMENT_KEY_REFUSED',
      `Deploy a verifier of a ceremony key: whoever knows the secrets of ${verifier} can forge proofs, and chain ${chainId} is no local chain.`,
      { chainId, verifier },
    );
    this.name = 'DevelopmentKeyError';
  }
}
