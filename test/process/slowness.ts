/**
 * By what factor tests wait longer on this machine: 1, but where the processor is emulated, for which `test/vm/arm64.sh`
 * sets the variable.
 */
export const slowness = Number(process.env.TEST_SLOWNESS ?? 1);
