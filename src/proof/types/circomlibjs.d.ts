declare module 'circomlibjs' {
  /** A Poseidon permutation over BN254 in WebAssembly; `F` converts its field elements. */
  export interface Poseidon {
    (inputs: readonly bigint[]): Uint8Array;
    readonly F: { toObject(element: Uint8Array): bigint };
  }
  export function buildPoseidon(): Promise<Poseidon>;
}
