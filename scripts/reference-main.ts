/** `npm run docs`. */
import { writeReference } from './reference.js';

writeReference();
