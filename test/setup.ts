/** Property tests draw the same cases in every run; ZKMARGIN_SEED gives others. A failure prints the seed and the path. */
import fc from 'fast-check';

const seed = Number(process.env.ZKMARGIN_SEED ?? 20_250_219);
if (!Number.isInteger(seed)) throw new Error('Give ZKMARGIN_SEED as a whole number.');
fc.configureGlobal({ seed });
