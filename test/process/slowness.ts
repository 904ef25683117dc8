/** How many times as long all takes on this machine: `test/vm/arm64.sh` sets the variable where the processor is emulated. */
export const slowness = Number(process.env.TEST_SLOWNESS ?? 1);
