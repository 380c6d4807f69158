// 20,000 packets of each kind from clients; and, on a transport that reads ahead, as many as in the short form.

import { allocationSuite } from "./allocation-suite";
import { kinds } from "./traffic";

const broker = { entry: "allocation.ts", kinds: Object.keys(kinds) };
await allocationSuite(broker, { steps: 20_000, packets: 20_000, readAhead: false });
await allocationSuite(broker, { steps: 500, packets: 20_000, readAhead: true });
