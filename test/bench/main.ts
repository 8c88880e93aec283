import { benchAnalysis } from './analysis.ts'

benchAnalysis(process.stdout, 40)
