/**
 * What the log has of an error that nothing handles. Node.js ends the process then, as it should: what such an
 * error has left half done is put right by the next start. Its own report goes to standard error only, without
 * time, and a collector that reads the log alone would see a daemon that went away in silence.
 */
import type { Log } from '../driver/host.js';

type Process = Pick<NodeJS.Process, 'on' | 'off'>;

/** Of exceptions and of rejections; `origin` says which. Answers with what ends the watch. */
export function logUncaught(log: Pick<Log, 'error'>, of: Process = process): () => void {
  const tell = (error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void => {
    log.error({ error, origin }, 'an error that nothing handles ends the daemon');
  };
  of.on('uncaughtExceptionMonitor', tell);
  return () => {
    of.off('uncaughtExceptionMonitor', tell);
  };
}
