/**
 * The parts of the library that are used, each from its own file: its index also loads what merges workers,
 * pushes, and follows traces (OpenTelemetry), which costs the daemon 11 MB.
 */
declare module '@prometheus-io/client/lib/registry.js' {
  export { Registry as default } from '@prometheus-io/client';
}
declare module '@prometheus-io/client/lib/counter.js' {
  export { Counter as default } from '@prometheus-io/client';
}
declare module '@prometheus-io/client/lib/gauge.js' {
  export { Gauge as default } from '@prometheus-io/client';
}
declare module '@prometheus-io/client/lib/histogram.js' {
  export { Histogram as default } from '@prometheus-io/client';
}
declare module '@prometheus-io/client/lib/metrics/heapSizeAndUsed.js' {
  const add: import('./library.js').StandardMetrics;
  export default add;
}
declare module '@prometheus-io/client/lib/metrics/osMemoryHeap.js' {
  const add: import('./library.js').StandardMetrics;
  export default add;
}
declare module '@prometheus-io/client/lib/metrics/processStartTime.js' {
  const add: import('./library.js').StandardMetrics;
  export default add;
}
declare module '@prometheus-io/client/lib/metrics/processOpenFileDescriptors.js' {
  const add: import('./library.js').StandardMetrics;
  export default add;
}
declare module '@prometheus-io/client/lib/metrics/processMaxFileDescriptors.js' {
  const add: import('./library.js').StandardMetrics;
  export default add;
}
