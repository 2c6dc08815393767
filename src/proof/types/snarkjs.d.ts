/** The part of snarkjs 0.7 that the project uses. The package ships no declarations. */
declare module 'snarkjs' {
  /** A file kept in memory. snarkjs reads and writes `data`. */
  export interface MemoryFile {
    type: 'mem';
    data?: Uint8Array;
  }
  export type FileLike = string | MemoryFile | Uint8Array;

  /** A proof as snarkjs prints it: projective coordinates as decimal strings. */
  export interface Groth16Proof {
    pi_a: string[];
    pi_b: string[][];
    pi_c: string[];
    protocol: string;
    curve: string;
  }
  export interface Groth16VerificationKey {
    protocol: string;
    curve: string;
    nPublic: number;
    vk_alpha_1: string[];
    vk_beta_2: string[][];
    vk_gamma_2: string[][];
    vk_delta_2: string[][];
    vk_alphabeta_12?: string[][][];
    IC: string[][];
  }
  export interface Logger {
    debug(message: string): void;
    info(message: string): void;
    warn(message: string): void;
    error(message: string): void;
  }

  /** Prime field over WASM: elements are 32 bytes, little endian, in Montgomery form. */
  export interface WasmField {
    readonly n8: number;
    readonly s: number;
    readonly w: Uint8Array[];
    readonly one: Uint8Array;
    e(value: bigint | number | string): Uint8Array;
    toObject(a: Uint8Array): bigint;
    add(a: Uint8Array, b: Uint8Array): Uint8Array;
    mul(a: Uint8Array, b: Uint8Array): Uint8Array;
    eq(a: Uint8Array, b: Uint8Array): boolean;
  }
  export interface ExtensionField {
    readonly n8: number;
    readonly one: Uint8Array;
    toObject(a: Uint8Array): unknown;
    eq(a: Uint8Array, b: Uint8Array): boolean;
  }
  /** Curve group over WASM: affine points are two coordinates, Jacobian ones three. */
  export interface WasmGroup {
    readonly g: Uint8Array;
    readonly gAffine: Uint8Array;
    readonly zero: Uint8Array;
    readonly zeroAffine: Uint8Array;
    readonly F: { readonly n8: number };
    add(a: Uint8Array, b: Uint8Array): Uint8Array;
    neg(a: Uint8Array): Uint8Array;
    eq(a: Uint8Array, b: Uint8Array): boolean;
    isZero(a: Uint8Array): boolean;
    isValid(a: Uint8Array): boolean;
    timesScalar(a: Uint8Array, scalar: bigint | Uint8Array): Uint8Array;
    toAffine(a: Uint8Array): Uint8Array;
    toObject(a: Uint8Array): unknown;
    fromObject(coordinates: unknown): Uint8Array;
    multiExpAffine(bases: Uint8Array, scalars: Uint8Array): Promise<Uint8Array>;
  }
  export interface Curve {
    readonly name: string;
    readonly q: bigint;
    readonly r: bigint;
    readonly Fr: WasmField;
    readonly G1: WasmGroup;
    readonly G2: WasmGroup;
    readonly Gt: ExtensionField;
    readonly tm: { readonly code: Uint8Array; readonly pG1gen: number; readonly pG2gen: number };
    pairing(a: Uint8Array, b: Uint8Array): Uint8Array;
    pairingEq(...points: Uint8Array[]): Promise<boolean>;
    terminate(): Promise<void>;
  }

  export const groth16: {
    prove(
      zkey: FileLike,
      witness: FileLike,
      logger?: Logger,
      options?: { singleThread?: boolean },
    ): Promise<{ proof: Groth16Proof; publicSignals: string[] }>;
    verify(
      verificationKey: Groth16VerificationKey,
      publicSignals: readonly string[],
      proof: Groth16Proof,
      logger?: Logger,
    ): Promise<boolean>;
  };
  export const zKey: {
    exportVerificationKey(zkey: FileLike, logger?: Logger): Promise<Groth16VerificationKey>;
    exportSolidityVerifier(
      zkey: FileLike,
      templates: Record<string, string>,
      logger?: Logger,
    ): Promise<string>;
  };
  export const wtns: {
    check(r1cs: FileLike, witness: FileLike, logger?: Logger): Promise<boolean>;
  };
  export const curves: {
    getCurveFromName(name: string, options?: { singleThread?: boolean }): Promise<Curve>;
  };
}
