/**
 * The standard normal distribution in double precision.
 *
 * Two implementations, for two purposes. {@link normalCdf} has full relative accuracy everywhere, far tails included
 * (W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23, 1969). The other,
 * {@link normalCdfFrom}, is the fast one: it takes `exp(-x²/2)` from a caller who has it already (J. F. Hart et al.,
 * "Computer Approximations", 1968, number 5666, as given by G. West, "Better approximations to cumulative normal
 * functions", Wilmott 2005), with an absolute error below 1e-15.
 */

const SQRT_HALF = Math.SQRT1_2;
const INVERSE_SQRT_TWO_PI = 0.3989422804014327;
const INVERSE_SQRT_PI = 0.5641895835477563;

/** Density of the standard normal distribution. */
export function normalPdf(x: number): number {
  return INVERSE_SQRT_TWO_PI * Math.exp(-0.5 * x * x);
}

/** Distribution function of the standard normal distribution; relative error below `1e-15 + x² 2e-16` in both tails. */
export function normalCdf(x: number): number {
  return 0.5 * erfc(-x * SQRT_HALF);
}

/** Complementary error function (Cody 1969). */
export function erfc(x: number): number {
  const y = Math.abs(x);
  if (y <= 0.46875) return 1 - erfSmall(x);
  if (y > 27) return x > 0 ? 0 : 2;
  const tail = expMinusSquare(y) * (y <= 4 ? erfcxMiddle(y) : erfcxLarge(y));
  return x < 0 ? 2 - tail : tail;
}

/** Scaled complementary error function, `exp(x²) erfc(x)` (Cody 1969); infinite below -26.6. */
export function erfcx(x: number): number {
  const y = Math.abs(x);
  if (y <= 0.46875) return Math.exp(x * x) * (1 - erfSmall(x));
  const scaled = y <= 4 ? erfcxMiddle(y) : erfcxLarge(y);
  return x < 0 ? 2 * Math.exp(x * x) - scaled : scaled;
}

/**
 * Distribution function at `x`, given `exponential = exp(-x²/2)`. Meant for hot loops: no allocation, no exponential.
 * Absolute error below 1e-15.
 */
export function normalCdfFrom(x: number, exponential: number): number {
  const y = x < 0 ? -x : x;
  let tail: number;
  if (y < 7.07106781186547) {
    const numerator =
      (((((0.0352624965998911 * y + 0.700383064443688) * y + 6.37396220353165) * y + 33.912866078383) * y +
        112.079291497871) *
        y +
        221.213596169931) *
        y +
      220.206867912376;
    const denominator =
      ((((((0.0883883476483184 * y + 1.75566716318264) * y + 16.064177579207) * y + 86.7807322029461) * y +
        296.564248779674) *
        y +
        637.333633378831) *
        y +
        793.826512519948) *
        y +
      440.413735824752;
    tail = (exponential * numerator) / denominator;
  } else if (y < 38.6) {
    // Laplace's continued fraction, 1/(y + 1/(y + 2/(y + 3/(y + ...)))).
    let fraction = y;
    for (let term = 10; term >= 1; term--) fraction = y + term / fraction;
    tail = (INVERSE_SQRT_TWO_PI * exponential) / fraction;
  } else {
    tail = 0;
  }
  return x > 0 ? 1 - tail : tail;
}

/** erf for |x| <= 0.46875. */
function erfSmall(x: number): number {
  const square = x * x;
  const numerator =
    (((0.18577770618460315 * square + 3.1611237438705655) * square + 113.86415415105016) * square +
      377.485237685302) *
      square +
    3209.3775891384694;
  const denominator =
    (((square + 23.601290952344122) * square + 244.02463793444417) * square + 1282.6165260773723) * square +
    2844.236833439171;
  return (x * numerator) / denominator;
}

/** erfcx for 0.46875 < y <= 4. */
function erfcxMiddle(y: number): number {
  const numerator =
    (((((((2.1531153547440383e-8 * y + 0.5641884969886701) * y + 8.883149794388377) * y + 66.11919063714163) *
      y +
      298.6351381974001) *
      y +
      881.952221241769) *
      y +
      1712.0476126340707) *
      y +
      2051.0783778260716) *
      y +
    1230.3393547979972;
  const denominator =
    (((((((y + 15.744926110709835) * y + 117.6939508913125) * y + 537.1811018620099) * y +
      1621.3895745666903) *
      y +
      3290.7992357334597) *
      y +
      4362.619090143247) *
      y +
      3439.3676741437216) *
      y +
    1230.3393548037495;
  return numerator / denominator;
}

/** erfcx for y > 4. */
function erfcxLarge(y: number): number {
  const inverse = 1 / (y * y);
  const numerator =
    ((((0.016315387137302097 * inverse + 0.30532663496123236) * inverse + 0.36034489994980445) * inverse +
      0.12578172611122926) *
      inverse +
      0.016083785148742275) *
      inverse +
    0.0006587491615298378;
  const denominator =
    ((((inverse + 2.568520192289822) * inverse + 1.8729528499234604) * inverse + 0.5279051029514285) *
      inverse +
      0.06051834131244132) *
      inverse +
    0.0023352049762686918;
  return (INVERSE_SQRT_PI - (inverse * numerator) / denominator) / y;
}

/** `exp(-y²)` with the square split, as Cody does, so that its rounding does not grow with y. */
function expMinusSquare(y: number): number {
  const head = Math.trunc(y * 16) / 16;
  return Math.exp(-head * head) * Math.exp(-(y - head) * (y + head));
}
