import t from 'tap';
import { docker28 } from '../../../src/core/generations/docker28.js';
import { directAccessTour } from '../../golden/direct-access-tour.js';
import { goldenTour } from '../../golden/golden-tour.js';

goldenTour(t, { title: '28.5.2', generation: docker28 });
directAccessTour(t, docker28);
