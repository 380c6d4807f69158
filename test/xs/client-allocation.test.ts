// Some hundred packets of each kind that the client sends or gets, with each set of limits.
// client-allocation.long.test.ts has 20,000.

import { allocationSuite } from "./allocation-suite";
import { clientKinds } from "./client-traffic";

const client = { entry: "client-allocation.ts", kinds: Object.keys(clientKinds) };
await allocationSuite({ ...client, args: ["sensor"] }, { steps: 200, packets: 2_000, readAhead: false });
await allocationSuite({ ...client, args: ["small"] }, { steps: 200, packets: 2_000, readAhead: true });
