/** Every command of an operator, with the engine and the daemon in every state that they can be in: on Docker 20.10. */
import { checkEveryCommand } from '../lab/checks/every-command.js';

checkEveryCommand('20.10');
