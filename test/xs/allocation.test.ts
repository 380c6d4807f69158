// 20,000 packets through the broker for each kind. allocation.long.test.ts has 20,000 of the kind itself, each of which is
// up to 28 packets through the broker.

import { allocationSuite } from "./allocation-suite";
import { kinds } from "./traffic";

const broker = { entry: "allocation.ts", kinds: Object.keys(kinds) };
await allocationSuite(broker, { steps: 500, packets: 20_000, readAhead: false });
