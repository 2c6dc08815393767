/** The part of WebAssembly that the project uses; the compiler's `lib` without a browser does not declare it. */
declare namespace WebAssembly {
  interface Module {
    readonly __module?: never;
  }
  type Exports = Record<string, unknown>;
  type Imports = Record<string, Record<string, unknown>>;
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  class Instance {
    readonly exports: Exports;
  }
  class RuntimeError extends Error {}
  namespace Module {
    function exports(module: Module): { name: string; kind: string }[];
  }
  function validate(bytes: Uint8Array): boolean;
  function compile(bytes: Uint8Array): Promise<Module>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
}
