/** What the commands say beside the rules of firewalld, ufw, fail2ban and kube-proxy: on Docker 20.10. */
import { checkBesideOthers } from '../lab/checks/beside-others.js';

checkBesideOthers('20.10');
