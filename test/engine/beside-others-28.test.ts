/** What the commands say beside the rules of firewalld, ufw, fail2ban and kube-proxy: on Docker 28.5. */
import { checkBesideOthers } from '../lab/checks/beside-others.js';

checkBesideOthers('28.5');
