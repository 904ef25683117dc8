import t from 'tap';
import { docker29 } from '../../../src/core/generations/docker29.js';
import { directAccessTour } from '../../helpers/direct-access-tour.js';
import { goldenTour } from '../../helpers/golden-tour.js';

goldenTour(t, { title: '29-master', generation: docker29 });
directAccessTour(t, docker29);
