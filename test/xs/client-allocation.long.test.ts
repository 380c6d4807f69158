// 20,000 packets of each kind that the client sends or gets, with each set of limits, on either sort of transport.

import { allocationSuite } from "./allocation-suite";
import { clientKinds } from "./client-traffic";

const client = { entry: "client-allocation.ts", kinds: Object.keys(clientKinds) };
await allocationSuite({ ...client, args: ["sensor"] }, { steps: 20_000, packets: 20_000, readAhead: false });
await allocationSuite({ ...client, args: ["small"] }, { steps: 20_000, packets: 20_000, readAhead: true });
await allocationSuite({ ...client, args: ["sensor"] }, { steps: 200, packets: 20_000, readAhead: true });
await allocationSuite({ ...client, args: ["small"] }, { steps: 200, packets: 20_000, readAhead: false });
