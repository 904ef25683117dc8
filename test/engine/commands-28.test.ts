/** Every command of an operator, with the engine and the daemon in every state that they can be in: on Docker 28.5. */
import { checkEveryCommand } from '../lab/checks/every-command.js';

checkEveryCommand('28.5');
