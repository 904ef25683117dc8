import t from 'tap';
import { docker17 } from '../../src/core/firewall/docker17.js';
import { goldenTour } from '../helpers/golden-tour.js';

goldenTour(t, { title: '17.03', generation: docker17 });
