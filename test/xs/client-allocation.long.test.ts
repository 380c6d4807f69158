// 20,000 packets for each kind that the client sends or gets, with each set of limits; fewer on the other sort of transport.

import { allocationSuite } from "./allocation-suite";
import { clientKinds } from "./client-traffic";

const client = { entry: "client-allocation.ts", kinds: Object.keys(clientKinds) };
await allocationSuite({ ...client, args: ["sensor"] }, { steps: 1_000, packets: 20_000, readAhead: false });
await allocationSuite({ ...client, args: ["small"] }, { steps: 1_000, packets: 20_000, readAhead: true });
await allocationSuite({ ...client, args: ["sensor"] }, { steps: 200, packets: 2_000, readAhead: true });
await allocationSuite({ ...client, args: ["small"] }, { steps: 200, packets: 2_000, readAhead: false });
