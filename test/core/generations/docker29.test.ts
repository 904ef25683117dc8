import t from 'tap';
import { docker29 } from '../../../src/core/generations/docker29.js';
import { directAccessTour } from '../../golden/direct-access-tour.js';
import { goldenTour } from '../../golden/golden-tour.js';

goldenTour(t, { title: '29-master', generation: docker29 });
directAccessTour(t, docker29);
