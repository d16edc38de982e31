import { createRoot } from "react-dom/client";
import { App } from "./ui/app.tsx";
import "./css/main.css";

const root = document.querySelector("#inbox");
if (root) createRoot(root).render(<App />);
