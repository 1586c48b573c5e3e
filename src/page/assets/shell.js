// What every page has: the switch of the times.
import "./times.js";
