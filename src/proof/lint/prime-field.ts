/** Arithmetic modulo a prime that is chosen at run time: circuits use BN254's, exhaustive tests a small one. */
export class PrimeField {
  readonly modulus: bigint;
  readonly #half: bigint;
  readonly #inverses = new Map<bigint, bigint>();

  /** @param modulus an odd prime. */
  constructor(modulus: bigint) {
    this.modulus = modulus;
    this.#half = modulus / 2n;
  }

  /** `a mod p` in [0, p). */
  reduce(a: bigint): bigint {
    const rest = a % this.modulus;
    return rest < 0n ? rest + this.modulus : rest;
  }

  /** The representative of smallest size, in [-(p-1)/2, (p-1)/2]. */
  centre(a: bigint): bigint {
    const rest = this.reduce(a);
    return rest > this.#half ? rest - this.modulus : rest;
  }

  /** Inverse of a non-zero element. Throws a RangeError for zero. */
  invert(a: bigint): bigint {
    const element = this.reduce(a);
    if (element === 0n) throw new RangeError('zero has no inverse');
    const known = this.#inverses.get(element);
    if (known !== undefined) return known;
    let [r0, r1, t0, t1] = [this.modulus, element, 0n, 1n];
    while (r1 !== 0n) {
      const quotient = r0 / r1;
      [r0, r1, t0, t1] = [r1, r0 - quotient * r1, t1, t0 - quotient * t1];
    }
    const inverse = this.reduce(t0);
    this.#inverses.set(element, inverse);
    return inverse;
  }

  power(base: bigint, exponent: bigint): bigint {
    let result = 1n;
    let square = this.reduce(base);
    for (let e = exponent; e > 0n; e >>= 1n) {
      if (e & 1n) result = (result * square) % this.modulus;
      square = (square * square) % this.modulus;
    }
    return result;
  }

  /** A square root by Tonelli and Shanks, or undefined for a non-residue. */
  squareRoot(a: bigint): bigint | undefined {
    const element = this.reduce(a);
    if (element === 0n) return 0n;
    const order = this.modulus - 1n;
    if (this.power(element, order / 2n) !== 1n) return undefined;
    let odd = order;
    let twos = 0;
    for (; odd % 2n === 0n; odd /= 2n) twos++;
    let nonResidue = 2n;
    while (this.power(nonResidue, order / 2n) === 1n) nonResidue++;
    let generator = this.power(nonResidue, odd);
    let root = this.power(element, (odd + 1n) / 2n);
    let error = this.power(element, odd);
    while (error !== 1n) {
      let depth = 0;
      for (let e = error; e !== 1n; e = (e * e) % this.modulus) depth++;
      let factor = generator;
      for (let i = 0; i < twos - depth - 1; i++) factor = (factor * factor) % this.modulus;
      root = (root * factor) % this.modulus;
      generator = (factor * factor) % this.modulus;
      error = (error * generator) % this.modulus;
      twos = depth;
    }
    return root;
  }

  /**
   * The fraction `numerator / denominator` equal to an element with both below sqrt(p / 2), which is unique; undefined
   * when there is none.
   */
  fraction(a: bigint): { numerator: bigint; denominator: bigint } | undefined {
    let [r0, r1, t0, t1] = [this.modulus, this.reduce(a), 0n, 1n];
    while (2n * r1 * r1 > this.modulus) {
      const quotient = r0 / r1;
      [r0, r1, t0, t1] = [r1, r0 - quotient * r1, t1, t0 - quotient * t1];
    }
    if (2n * t1 * t1 > this.modulus) return undefined;
    return t1 < 0n ? { numerator: -r1, denominator: -t1 } : { numerator: r1, denominator: t1 };
  }
}
