/**
 * Import this before anything else. At SIGUSR1 Node opens its debugger on 127.0.0.1:9229, where every local
 * user can run code as root; a handler of our own takes the place of that one.
 */
process.on('SIGUSR1', () => undefined);
