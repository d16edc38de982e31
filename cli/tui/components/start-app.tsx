/** The start with its keys: show logs, keep waiting, stop. */
import { useState } from "react";
import { useFrame } from "../frame.ts";
import { isInterrupt, useKeys } from "../keypress.ts";
import type { LogBuffer } from "../log-buffer.ts";
import type { View } from "../state.ts";
import { isAsking, Start } from "./start.tsx";

interface StartAppProps {
  view: View;
  logs: LogBuffer;
  canShowLogs: boolean;
  onInterrupt: () => void;
}

export function StartApp({ view, logs, canShowLogs, onInterrupt }: StartAppProps) {
  const { now } = useFrame();
  const [showLogs, setShowLogs] = useState(false);
  const [waitingSince, setWaitingSince] = useState<number | null>(null);
  useKeys((input, key) => {
    if (isInterrupt(input, key)) onInterrupt();
    else if (input === "l" && canShowLogs) setShowLogs(!showLogs);
    else if (input === "k" && isAsking(view, waitingSince, now)) setWaitingSince(now);
  });
  return <Start view={view} logs={logs} showLogs={showLogs} canShowLogs={canShowLogs} waitingSince={waitingSince} />;
}
