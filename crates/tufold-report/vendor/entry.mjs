// The parts of Apache ECharts that the report draws with.
import { BarChart, HeatmapChart, LineChart, ScatterChart } from "echarts/charts";
import {
    AriaComponent,
    DataZoomInsideComponent,
    GridComponent,
    MarkLineComponent,
    TooltipComponent,
    VisualMapContinuousComponent,
} from "echarts/components";
import { use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([
    AriaComponent,
    BarChart,
    DataZoomInsideComponent,
    GridComponent,
    HeatmapChart,
    LineChart,
    MarkLineComponent,
    ScatterChart,
    SVGRenderer,
    TooltipComponent,
    VisualMapContinuousComponent,
]);

export { init } from "echarts/core";
