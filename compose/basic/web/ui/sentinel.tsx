import { useEffect, useRef } from "react";

/** Calls `onSeen` when it comes into view. */
export function Sentinel({ onSeen, label }: { onSeen: () => void; label: string }) {
  const element = useRef<HTMLParagraphElement>(null);
  const seen = useRef(onSeen);
  seen.current = onSeen;
  useEffect(() => {
    if (!element.current) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) seen.current();
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return (
    <p ref={element} className="hint">
      {label}
    </p>
  );
}
